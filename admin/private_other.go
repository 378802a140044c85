//go:build !unix

package admin

// makePrivate: elsewhere the folder's rights decide who may connect.
func makePrivate(uintptr) {}
