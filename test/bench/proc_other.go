//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// errNotLinux: the CPU clock, the memory and the noise are read as Linux shows them.
var errNotLinux = errors.New("measuring another process needs Linux")

func cpuTime(int) (time.Duration, error)    { return 0, errNotLinux }
func residentBytes(int) (int64, error)      { return 0, errNotLinux }
func sharedBytes(int) (_, _ int64, _ error) { return 0, 0, errNotLinux }
func peakBytes(int) (int64, error)          { return 0, errNotLinux }
func coreTimes() (usage, error)             { return usage{}, errNotLinux }
func kernel() string                        { return runtime.GOOS }
func datasync(f *os.File) error             { return f.Sync() }
func fileSystem(string) (fs, device string) { return "unknown file system", "unknown device" }
func pin() placement                        { return placement{text: "none: needs Linux"} }

type placement struct{ text string }

func (placement) startServer(cmd *exec.Cmd) error   { return cmd.Start() }
func (placement) startAnywhere(cmd *exec.Cmd) error { return cmd.Start() }
