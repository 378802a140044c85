package audit

import (
	"fmt"
	"path/filepath"
	"time"
)

// rotate closes a file that is large or old enough, and begins the next. Each
// file begins with a checkpoint, so that what remains when older ones are
// removed can be verified from its first line on.
func (s *sink) rotate() bool {
	if s.file == nil {
		return true
	}
	day, _ := s.clock()
	if lost := s.file.lost(); lost != nil {
		return s.replaceLost(lost)
	}
	_, now := s.clock()
	if !s.used || now < s.rotateAfter || !s.file.due(s.set.RotateSize, s.set.RotateAge, day) {
		return true
	}
	s.rotateAfter = now + lookAfter // if it fails
	if !s.checkpoint(whyEnd) {
		return false
	}
	closed, err := s.file.rotate(day)
	if err != nil {
		s.errors.Add(1)
		s.report(Trouble{s.name, fmt.Errorf("close the file and begin another: %w", err), 0})
	}
	if closed == "" {
		return true // the trail goes on in this one
	}
	s.rotateAfter = 0
	if s.set.Compress {
		s.file.pack(closed, s.packFailed)
	}
	s.used = false
	s.looked = 0
	return s.checkpoint(whyBegin)
}

// replaceLost goes on in a new file when somebody has removed or renamed the
// one that was written to.
func (s *sink) replaceLost(why error) bool {
	s.errors.Add(1)
	s.report(Trouble{s.name, why, 0})
	s.file.forget()
	s.used = true
	return s.write(func(p *pending, day time.Time) {
		p.lines = append(p.lines, p.head.checkpoint(s.set.Signer, whyBegin, day))
		p.record(record{Event: kindFileLost, File: filepath.Base(s.file.path)}, day)
		p.plain++
	}, nil)
}

// prune removes what was kept for long enough. That it did is a line of the
// chain, which is on disk before anything is gone.
func (s *sink) prune() bool {
	_, now := s.clock()
	if s.set.Retain <= 0 || s.looked != 0 && now-s.looked < lookAfter {
		return true
	}
	s.looked = max(now, 1)
	if s.file != nil {
		return s.pruneFiles()
	}
	if s.set.Table != nil {
		return s.pruneTable()
	}
	return true
}

func (s *sink) pruneFiles() bool {
	day, _ := s.clock()
	old, err := s.file.old(day.Add(-s.set.Retain))
	if err != nil {
		s.report(Trouble{s.name, fmt.Errorf("look for old files: %w", err), 0})
	}
	if len(old) == 0 {
		return true
	}
	return s.write(func(p *pending, day time.Time) {
		for _, c := range old {
			p.record(record{Event: kindPruned, File: filepath.Base(c.path), First: c.first, Last: c.last}, day)
			p.plain++
		}
	}, func() {
		if !s.sync() {
			return
		}
		for _, c := range old {
			if err := s.file.remove(c); err != nil {
				s.report(Trouble{s.name, fmt.Errorf("remove an old file: %w", err), 0})
			}
		}
	})
}

func (s *sink) pruneTable() bool {
	ctx, cancel := tableContext()
	defer cancel()
	day, _ := s.clock()
	first, last, err := s.set.Table.Old(ctx, day.Add(-s.set.Retain).Unix())
	if err != nil {
		s.report(Trouble{s.name, fmt.Errorf("look for old lines: %w", err), 0})
	}
	if last == 0 {
		return true
	}
	return s.write(func(p *pending, day time.Time) {
		p.record(record{Event: kindPruned, First: first, Last: last}, day)
		p.plain++
	}, func() {
		ctx, cancel := tableContext()
		defer cancel()
		if err := s.set.Table.Prune(ctx, last); err != nil {
			s.report(Trouble{s.name, fmt.Errorf("remove old lines: %w", err), 0})
		}
	})
}
