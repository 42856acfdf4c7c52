package openstack

// Plan is what tests look at without a server: how a file of that size goes to a cluster with those limits.
func Plan(object, segments, least, size int64) (int64, error) {
	return limits{object: object, segments: segments, least: least}.plan(size)
}

// Ours reports whether segments are those of one upload to the object.
func Ours(paths []string, container, name string) bool {
	return ours(paths, owner(container, name)).Count > 0
}

// Owner is the beginning of the names of an object's segments.
var Owner = owner
