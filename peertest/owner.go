package peertest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// An owner is an ordinary user, whom the programs here run as.
type owner struct {
	user, group string
	uid, gid    uint32
	root        bool // we are root ourselves and have to step down
}

// ordinary is whoever runs the test, or nobody if that is root.
var ordinary = sync.OnceValues(func() (owner, error) {
	lookup := user.Current
	o := owner{root: os.Geteuid() == 0}
	if o.root {
		lookup = func() (*user.User, error) { return user.Lookup("nobody") }
	}
	u, err := lookup()
	if err != nil {
		return o, err
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	o.user, o.group, o.uid, o.gid = u.Username, u.Gid, uint32(uid), uint32(gid)
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		o.group = g.Name
	}
	return o, nil
})

func ordinaryUser(t T) owner {
	t.Helper()
	o, err := ordinary()
	if err != nil {
		t.Fatalf("find an ordinary user to run programs as: %v", err)
	}
	return o
}

// as makes a command run as the owner.
func (o owner) as(cmd *exec.Cmd) *exec.Cmd {
	if o.root {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: o.uid, Gid: o.gid}}
	}
	return cmd
}

// mkdir makes a directory of the owner's that everybody may look into.
func (o owner) mkdir(t T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	o.own(t, path)
}

// own gives a file to the owner.
func (o owner) own(t T, path string) {
	t.Helper()
	if !o.root {
		return
	}
	if err := os.Chown(path, int(o.uid), int(o.gid)); err != nil {
		t.Fatalf("%v", err)
	}
}

// tempDir is a directory of the owner's that ends with the test. The one that
// testing gives is closed to others, and its path too long for sockets, whose
// paths the kernel limits to 108 octets.
func (o owner) tempDir(t T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pt")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("%v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	o.own(t, dir)
	return dir
}
