package egress

import (
	"maps"
	"os"
	"runtime"
	"testing"
	"testing/fstest"
)

func TestParseFree(t *testing.T) {
	if got, ok := parseFree("MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:    2048 kB\n"); !ok || got != 2<<20 {
		t.Errorf("%d, %v", got, ok)
	}
	for _, bad := range []string{"", "MemTotal: 1 kB\n", "MemAvailable: x kB\n", "MemAvailable: -1 kB\n", "MemAvailable: 1 MB\n"} {
		if _, ok := parseFree(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A container's limit holds, with that of all around it, and files that are cached are
// none of what it needs.
func TestFreeMemoryIsThatOfTheContainer(t *testing.T) {
	const mib = 1 << 20
	machine := map[string]string{"proc/meminfo": "MemAvailable: 4194304 kB\n"}
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups": {nil, 4096 * mib},
		"a container with its own root": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "536870912\n",
			"sys/fs/cgroup/memory.current": "419430400\n",
			"sys/fs/cgroup/memory.stat":    "anon 1\nfile 3\ninactive_file 104857600\nactive_file 52428800\n",
		}, 262 * mib},
		"without statistics": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "536870912\n",
			"sys/fs/cgroup/memory.current": "419430400\n",
		}, 112 * mib},
		"a service in a slice": {map[string]string{
			"proc/self/cgroup": "0::/all.slice/one.service\n",
			"sys/fs/cgroup/all.slice/one.service/memory.max":     "max\n",
			"sys/fs/cgroup/all.slice/one.service/memory.current": "1048576\n",
			"sys/fs/cgroup/all.slice/memory.max":                 "3145728\n",
			"sys/fs/cgroup/all.slice/memory.current":             "2097152\n",
		}, mib},
		"a path from outside of the container": {map[string]string{
			"proc/self/cgroup":             "0::/../../docker/x\n",
			"sys/fs/cgroup/memory.max":     "2097152\n",
			"sys/fs/cgroup/memory.current": "1048576\n",
		}, mib},
		"the first version": {map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4194304\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "3145728\n",
			"sys/fs/cgroup/memory/a/memory.stat":           "cache 5\ntotal_inactive_file 524288\ntotal_active_file 524288\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":   "9145728\n",
		}, 2 * mib},
		"more than its limit": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "1048576\n",
			"sys/fs/cgroup/memory.current": "2097152\n",
		}, 0},
		"more than the machine has": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "1099511627776\n",
			"sys/fs/cgroup/memory.current": "0\n",
		}, 4096 * mib},
		"nonsense": {map[string]string{
			"proc/self/cgroup":             "0\n::\n0::/\n",
			"sys/fs/cgroup/memory.max":     "lots\n",
			"sys/fs/cgroup/memory.current": "-1\n",
		}, 4096 * mib},
	} {
		root := fstest.MapFS{}
		all := maps.Clone(machine)
		maps.Copy(all, c.files)
		for path, text := range all {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, ok := freeMemory(root); !ok || got != c.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, c.want)
		}
	}
	if got, ok := freeMemory(fstest.MapFS{}); ok {
		t.Errorf("where nothing is known there are %d", got)
	}
}

func TestFreeMemoryOfThisMachineIsKnown(t *testing.T) {
	got, ok := freeMemory(os.DirFS("/"))
	if ok != (runtime.GOOS == "linux") || ok && got <= 0 {
		t.Errorf("%d, %v", got, ok)
	}
	t.Logf("%d MiB", got>>20)
}
