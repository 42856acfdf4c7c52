package convert

import "runtime/debug"

// ModuleVersion is the version of a dependency this program was built with, without its leading v.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == path && len(dep.Version) > 1 {
			return dep.Version[1:]
		}
	}
	return "unknown"
}
