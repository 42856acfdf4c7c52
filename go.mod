module github.com/gantry-engine/gantry

go 1.26
