module github.com/gantry-engine/gantry

go 1.26.0

require (
	code.dny.dev/ssrf v0.3.0
	github.com/google/uuid v1.6.0
	pgregory.net/rapid v1.3.0
)
