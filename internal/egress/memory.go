package egress

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// freeMemory is how much memory Linux can give without taking any from programs, in
// bytes: the machine's (proc_meminfo(5)), or less if a control group that the process is
// in may not take so much, as that of a container. root is the file system.
func freeMemory(root fs.FS) (bytes int64, ok bool) {
	raw, err := fs.ReadFile(root, "proc/meminfo")
	if err == nil {
		bytes, ok = parseFree(string(raw))
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return bytes, ok
	}
	for _, g := range memoryGroups(string(groups)) {
		if left, limited := g.left(root); limited && (!ok || left < bytes) {
			bytes, ok = left, true
		}
	}
	return bytes, ok
}

func parseFree(meminfo string) (bytes int64, ok bool) {
	for line := range strings.Lines(meminfo) {
		name, value, _ := strings.Cut(line, ":")
		words := strings.Fields(value)
		if name != "MemAvailable" || len(words) != 2 || words[1] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		return n << 10, err == nil && n >= 0
	}
	return 0, false
}

// memoryGroup is a control group, and how its version names things.
type memoryGroup struct {
	directory        string
	most, used, stat string
	cached           []string // of stat: what is given back when it is needed
}

// memoryGroups are the groups whose limits hold for a process, of both versions of
// cgroups(7): its own, and all that this is in. Those that are not seen from within a
// container are not there.
func memoryGroups(groups string) (all []memoryGroup) {
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) != 3 {
			continue
		}
		g := memoryGroup{"sys/fs/cgroup", "memory.max", "memory.current", "memory.stat", []string{"active_file", "inactive_file"}}
		switch {
		case parts[0] == "0" && parts[1] == "":
		case parts[1] == "memory":
			g = memoryGroup{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", []string{"total_active_file", "total_inactive_file"}}
		default:
			continue
		}
		top := g.directory
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			g.directory = path.Join(top, at)
			all = append(all, g)
			if at == "/" {
				break
			}
		}
	}
	return all
}

// left is how much more the group may take, in bytes; limited is false if it has no limit.
func (g memoryGroup) left(root fs.FS) (bytes int64, limited bool) {
	number := func(name string) (int64, bool) {
		raw, err := fs.ReadFile(root, path.Join(g.directory, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		return n, err == nil && n >= 0 // "max" is none
	}
	most, ok := number(g.most)
	if !ok {
		return 0, false
	}
	used, ok := number(g.used)
	if !ok {
		return 0, false
	}
	if stat, err := fs.ReadFile(root, path.Join(g.directory, g.stat)); err == nil {
		for _, name := range g.cached {
			n, _ := field(string(stat), name)
			used -= min(max(n, 0), used)
		}
	}
	return max(most-used, 0), true
}

// field is the number of the line that begins with a name.
func field(lines, name string) (n int64, ok bool) {
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != name {
			continue
		}
		n, err := strconv.ParseInt(words[1], 10, 64)
		return n, err == nil
	}
	return 0, false
}
