package peertest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is USER_HZ, the unit of times in /proc, on every Linux that Go
// runs on.
const clockTick = 10 * time.Millisecond

// Status reads a number from /proc/PID/status: "VmHWM" and "VmRSS" in KiB,
// "Threads".
func Status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name == field {
			number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			return strconv.ParseInt(number, 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}

// procStat is what is used here of /proc/PID/stat.
type procStat struct {
	state         string
	parent        int
	own, ofReaped time.Duration
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	// The command's name may hold anything, so fields count from its last ")".
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 15 {
		return procStat{}, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	n := make([]int64, len(f))
	for i := range f {
		n[i], _ = strconv.ParseInt(f[i], 10, 64)
	}
	return procStat{
		state:    f[0],
		parent:   int(n[1]),
		own:      time.Duration(n[11]+n[12]) * clockTick,
		ofReaped: time.Duration(n[13]+n[14]) * clockTick,
	}, nil
}

// Tree lists the process and everything below it that is alive.
func Tree(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(child); err == nil {
			children[s.parent] = append(children[s.parent], child)
		}
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// CPU is the processor time that the process and everything below it used up
// to now, what has ended included.
func CPU(pid int) time.Duration {
	var sum time.Duration
	for _, p := range Tree(pid) {
		if s, err := readStat(p); err == nil {
			sum += s.own + s.ofReaped
		}
	}
	return sum
}

// Resident is the memory in KiB of the process and everything below it, each
// page shared by n processes counted as one n-th (PSS).
func Resident(pid int) int64 {
	var sum int64
	for _, p := range Tree(pid) {
		sum += pss(p)
	}
	return sum
}

func pss(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib
		}
	}
	return 0
}

// alive tells whether a process still runs; one that only waits to be reaped
// does not.
func alive(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.state != "Z" && s.state != "X"
}
