package link

// Canonical is what gets signed of fields.
func Canonical(fields ...string) string { return string(canonical(fields)) }
