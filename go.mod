module github.com/gantry-engine/gantry

go 1.26.0

require code.dny.dev/ssrf v0.3.0

require pgregory.net/rapid v1.3.0
