package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// What the build reads, as scripts/digest.mjs has it.
var (
	sourceFiles   = []string{"index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"}
	sourceFolders = []string{"dashboard", "public", "scripts", "src"}
)

// digest is that of scripts/digest.mjs: the sha256 over a line for each file.
func digest(t *testing.T, fsys fs.FS, names []string) string {
	t.Helper()
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(all, "%x  %s\n", sha256.Sum256(content), name)
	}
	return hex.EncodeToString(all.Sum(nil))
}

func walk(t *testing.T, fsys fs.FS, root string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDistIsBuiltFromTheseSources(t *testing.T) {
	source := os.DirFS(".")
	names := slices.Clone(sourceFiles)
	for _, folder := range sourceFolders {
		names = append(names, walk(t, source, folder)...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".test.ts") })

	built, err := fs.Sub(dist, "dist")
	if err != nil {
		t.Fatal(err)
	}
	output := slices.DeleteFunc(walk(t, built, "."), func(name string) bool { return name == ".sources" })

	got, err := fs.ReadFile(built, ".sources")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("sources %s\noutput %s\n", digest(t, source, names), digest(t, built, output))
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("web/dist was not built from the sources beside it, or was changed by hand.\n"+
			"Run 'npm ci && npm run build' in web/ and commit dist.\ndist/.sources says:\n%swant:\n%s", got, want)
	}
}
