package gateway

// crash is called between the steps of an update; a test ends the process there.
var crash = func(after string) {}
