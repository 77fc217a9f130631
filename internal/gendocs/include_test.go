package gendocs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesShowTheFilesThatAreTested(t *testing.T) {
	const docs = "../../docs"
	files := 0
	err := filepath.WalkDir(docs, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		page, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files += len(shown.FindAll(page, -1))
		if n := strings.Count(string(page), "<!-- file: "); n != len(shown.FindAll(page, -1)) {
			t.Errorf("%s: a comment that names a file has no block of code below it", file)
		}
		want, err := Include(page, func(path string) ([]byte, error) {
			return os.ReadFile(filepath.Join(filepath.Dir(file), filepath.FromSlash(path)))
		})
		switch {
		case err != nil:
			return err
		case *update:
			return os.WriteFile(file, want, 0o644)
		case !bytes.Equal(page, want):
			t.Errorf("%s does not show its files as they are: go test ./internal/gendocs -update", file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 8 {
		t.Errorf("%d files are shown", files)
	}
}

func TestIncludeReplacesWhatIsOld(t *testing.T) {
	const page = "text\n\n<!-- file: a.go -->\n\n```go\nold\n```\n\n```go\nits own\n```\n"
	got, err := Include([]byte(page), func(string) ([]byte, error) { return []byte("new\n$1\n\n"), nil })
	if want := strings.Replace(page, "old", "new\n$1", 1); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := Include([]byte(page), func(string) ([]byte, error) { return []byte("a ``` b"), nil }); err == nil {
		t.Error("a file that would end its block is taken")
	}
	if _, err := Include([]byte(page), func(string) ([]byte, error) { return nil, fs.ErrNotExist }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
