// Package engine holds Gantry's nouns: jobs, tasks, operations, files, errors, the graph they form and the worker that
// runs it. It knows neither SQL nor HTTP; those stand at the edge and are handed in.
package engine
