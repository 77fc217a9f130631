package config

import (
	"strings"
	"testing"
)

func TestEgressStorageIsOneStore(t *testing.T) {
	got := mustLoad(t, goodKeys+"egress: {storage: {s3: {bucket: b, access_key: a, secret: s, force_path_style: true}}, backup: {azure: {container_name: c}}, max_cpu: 0, session_limits: {max_duration: 90m, max_size: 1GiB, segment_output_max_duration: 5s, file_output_max_size: 2KiB}}\n", nil)
	e := got.Egress
	if e.Storage.S3 != (S3{AccessKey: "a", Secret: "s", Bucket: "b", ForcePathStyle: true}) || e.Backup.Azure.Container != "c" || e.MaxCPU != 0 || e.MaxSize != 1<<30 || e.MaxDuration.Minutes() != 90 || e.SegmentDuration.Seconds() != 5 || e.FileSize != 2048 {
		t.Errorf("%+v", e)
	}
	for bad, want := range map[string]string{
		"egress: {storage: {s3: {bucket: b}, gcp: {bucket: c}}}": "egress.storage: expected one of s3, gcp and azure",
		"egress: {backup: {s3: {secret: s}}}":                    "egress.backup.s3.bucket: is missing",
		"egress: {max_cpu: 101}":                                 "egress.max_cpu: expected a whole number from 0 to 100",
	} {
		if _, err := load(t, goodKeys+bad+"\n", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
}
