//go:build linux

package main

import (
	"math/rand/v2"
	"time"
)

// settings of one direction. The zero value is a perfect cable.
type settings struct {
	DelayMs  float64 `json:"delayMs"`  // of every frame
	JitterMs float64 `json:"jitterMs"` // at most, on top; frames stay in order
	Loss     float64 `json:"loss"`     // probability that a frame is lost
	Rate     float64 `json:"rate"`     // bits per second; 0: no limit
	Queue    float64 `json:"queue"`    // bytes that may wait for their turn; 0: 100 ms of the rate
	Cut      bool    `json:"cut"`      // nothing gets through
}

// counts of one direction, since the start.
type counts struct {
	Frames     uint64 `json:"frames"` // passed on
	Bytes      uint64 `json:"bytes"`  // passed on
	Lost       uint64 `json:"lost"`
	Overflowed uint64 `json:"overflowed"` // found the queue full
}

// impairment decides what becomes of the frames of one direction.
type impairment struct {
	settings
	counts
	random    *rand.Rand
	freeAt    time.Time // the sender has put the earlier frames on the cable
	arrivesAt time.Time // of the latest frame
}

func newImpairment(seed uint64) *impairment {
	return &impairment{random: rand.New(rand.NewPCG(seed, 0))}
}

func (i *impairment) set(s settings, now time.Time) {
	i.settings = s
	i.freeAt = now
}

// pass says when a frame of size bytes that is sent now arrives, if it does.
func (i *impairment) pass(now time.Time, size int) (time.Time, bool) {
	if i.Cut || i.Loss > 0 && i.random.Float64() < i.Loss {
		i.Lost++
		return time.Time{}, false
	}
	sent := now
	if i.Rate > 0 {
		if i.freeAt.Before(now) {
			i.freeAt = now
		}
		queue := i.Queue
		if queue == 0 {
			queue = i.Rate / 8 / 10
		}
		// A queue takes one frame of any size.
		if waiting := i.freeAt.Sub(now).Seconds() * i.Rate / 8; waiting > 0 && waiting+float64(size) > queue {
			i.Overflowed++
			return time.Time{}, false
		}
		i.freeAt = i.freeAt.Add(seconds(float64(size) * 8 / i.Rate))
		sent = i.freeAt
	}
	at := sent.Add(seconds((i.DelayMs + i.JitterMs*i.random.Float64()) / 1000))
	if at.Before(i.arrivesAt) {
		at = i.arrivesAt
	}
	i.arrivesAt = at
	i.Frames++
	i.Bytes += uint64(size)
	return at, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
