package gcs

// KeyOf is what tests look at without a server.
var KeyOf = keyOf
