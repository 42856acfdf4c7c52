module github.com/gantry-engine/gantry

go 1.26.0

require code.dny.dev/ssrf v0.3.0

require (
	github.com/klauspost/compress v1.20.3
	golang.org/x/text v0.43.0
	pgregory.net/rapid v1.3.0
)
