package upstream

// Report is what connecting to a server, without signing in, found out.
type Report struct {
	// Address that answered.
	Address string
	// Capabilities as announced before sign-in, sorted.
	Capabilities []string
	// Findings say in words what is missing, and what follows from it.
	Findings []string
}
