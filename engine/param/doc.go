// Package param says the parameters of an operation once: one tagged struct gives decoding, problems, JSON Schema,
// documentation tables and redaction.
package param
