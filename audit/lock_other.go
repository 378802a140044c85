//go:build !unix

package audit

import "os"

// lockFile opens the file that would be locked.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, fileMode)
}
