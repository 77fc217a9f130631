//go:build !unix

package ffmpeg

import "os/exec"

func ownGroup(*exec.Cmd) {}
