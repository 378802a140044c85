package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// What can be wrong with a state file. The texts are for the administrator,
// and say what to do; use errors.Is.
var (
	ErrMissing     = errors.New("does not exist: run \"restante state init\" to make it, or name the right file")
	ErrNoDirectory = errors.New("its directory does not exist: create it, owned by the user that Restante runs as, with mode 0700")
	ErrNotWritable = errors.New("cannot be written: it and its directory must belong to the user that Restante runs as, on a file system that is mounted read-write")
	ErrNotState    = errors.New("is not a state file of Restante: name the right file; this one was left as it is")
	ErrCorrupt     = errors.New("is damaged: stop Restante and run \"restante state restore\" with a backup, or move the file away and run \"restante state init\"")
	ErrNewer       = errors.New("was written by a newer version of Restante: run that version, or restore a backup made before the upgrade; this file was left as it is")
	ErrOlder       = errors.New("was made by an older version of Restante: start this version once, which brings it up to date, and try again")
	ErrInUse       = errors.New("is in use by another process: stop that one first, or give this one a state file of its own")
	ErrFull        = errors.New("the disk is full: make room; what was remembered before is intact")
	ErrNoWAL       = errors.New("its file system cannot hold it (a network file system?): put it on a local disk")
	ErrExists      = errors.New("exists already and is never overwritten: choose another name")
	ErrTooLarge    = errors.New("more than a store keeps under one key")
	ErrClosed      = errors.New("the store is closed")
)

// fault says which file is meant, what is wrong with it, and, if there is
// more to know, the cause.
func fault(path string, what, cause error) error {
	if cause == nil {
		return fmt.Errorf("state file %s: %w", path, what)
	}
	return fmt.Errorf("state file %s: %w (%w)", path, what, cause)
}

// explain finds out which of the known things an error of SQLite or of the
// file system is.
func explain(path, doing string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if what := known(err); what != nil {
		return fault(path, what, fmt.Errorf("%s: %w", doing, err))
	}
	return fmt.Errorf("state file %s: %s: %w", path, doing, err)
}

func known(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return knownCode(e.Code() & 0xff) // the rest of the code tells details
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrNotWritable
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case errors.Is(err, errDamaged):
		return ErrCorrupt
	}
	return nil
}

func knownCode(code int) error {
	switch code {
	case lib.SQLITE_NOTADB:
		return ErrNotState
	case lib.SQLITE_CORRUPT:
		return ErrCorrupt
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return ErrNotWritable
	case lib.SQLITE_FULL:
		return ErrFull
	case lib.SQLITE_BUSY:
		return ErrInUse
	}
	return nil
}
