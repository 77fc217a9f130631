package flv

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var unit = []byte{0, 0, 0, 1, 0x65}

func with(head string, data []byte) []byte { return append([]byte(head), data...) }

func TestTagsOfVideo(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []byte
		want Tag
		err  error
	}{
		"H264 configuration":      {with("\x17\x00\x00\x00\x00", []byte{1, 2}), Tag{Config, H264, true, 0, []byte{1, 2}}, nil},
		"H264 key frame":          {with("\x17\x01\x00\x00\x28", unit), Tag{Frame, H264, true, 40 * time.Millisecond, unit}, nil},
		"H264 shown before":       {with("\x27\x01\xff\xff\xd8", unit), Tag{Frame, H264, false, -40 * time.Millisecond, unit}, nil},
		"H264 ends":               {[]byte("\x17\x02\x00\x00\x00"), Tag{End, H264, true, 0, []byte{}}, nil},
		"H265 of old":             {with("\x1c\x01\x00\x00\x00", unit), Tag{Frame, H265, true, 0, unit}, nil},
		"H265 enhanced":           {with("\x91hvc1\x00\x00\x28", unit), Tag{Frame, H265, true, 40 * time.Millisecond, unit}, nil},
		"H265 enhanced, X":        {with("\xa3hvc1", unit), Tag{Frame, H265, false, 0, unit}, nil},
		"AV1":                     {with("\x91av01", unit), Tag{Frame, AV1, true, 0, unit}, nil},
		"AV1 configuration":       {with("\x90av01", []byte{0x81}), Tag{Config, AV1, true, 0, []byte{0x81}}, nil},
		"with nanoseconds before": {with("\x97\x02\x00\x00\x07\x01av01", unit), Tag{Frame, AV1, true, 0, unit}, nil},
		"metadata":                {with("\x94av01", unit), Tag{}, nil},
		"a further track":         {with("\x96\x01av01\x01", unit), Tag{}, nil},
		"a seek":                  {[]byte("\x57\x00"), Tag{}, nil},
		"nothing":                 {nil, Tag{}, nil},
		"an empty frame":          {[]byte("\x17\x01\x00\x00\x00"), Tag{}, nil},
		"VP6":                     {[]byte("\x14\x01"), Tag{}, ErrCodec},
		"an unknown one":          {with("\x91vvc1", unit), Tag{}, ErrCodec},
		"sound":                   {with("\x91Opus", unit), Tag{}, ErrTag},
		"too short":               {[]byte("\x17\x01\x00"), Tag{}, ErrTag},
		"a unit too long":         {with("\x17\x01\x00\x00\x00", []byte{0, 0, 0, 9, 1}), Tag{}, ErrTag},
		"a unit cut":              {with("\x17\x01\x00\x00\x00", []byte{0, 0, 0}), Tag{}, ErrTag},
		"a modifier cut":          {[]byte("\x97\xff\x00"), Tag{}, ErrTag},
	} {
		got, err := ParseVideo(tc.in)
		if !errors.Is(err, tc.err) || err == nil && !cmp.Equal(tc.want, got) {
			t.Errorf("%s: %v, %s", name, err, cmp.Diff(tc.want, got))
		}
	}
}

func TestTagsOfAudio(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []byte
		want Tag
		err  error
	}{
		"AAC configuration":  {[]byte("\xaf\x00\x12\x10"), Tag{Config, AAC, true, 0, []byte{0x12, 0x10}}, nil},
		"AAC":                {[]byte("\xaf\x01ab"), Tag{Frame, AAC, true, 0, []byte("ab")}, nil},
		"MP3":                {[]byte("\x2fab"), Tag{Frame, MP3, true, 0, []byte("ab")}, nil},
		"Opus":               {[]byte("\x91Opusab"), Tag{Frame, Opus, true, 0, []byte("ab")}, nil},
		"Opus configuration": {[]byte("\x90OpusOpusHead"), Tag{Config, Opus, true, 0, []byte("OpusHead")}, nil},
		"AAC enhanced":       {[]byte("\x91mp4aab"), Tag{Frame, AAC, true, 0, []byte("ab")}, nil},
		"channels":           {[]byte("\x94Opus\x01"), Tag{}, nil},
		"a further track":    {[]byte("\x95\x01Opus"), Tag{}, nil},
		"nothing":            {nil, Tag{}, nil},
		"Speex":              {[]byte("\xb2ab"), Tag{}, ErrCodec},
		"FLAC":               {[]byte("\x91fLaCab"), Tag{}, ErrCodec},
		"too short":          {[]byte("\xaf"), Tag{}, ErrTag},
	} {
		got, err := ParseAudio(tc.in)
		if !errors.Is(err, tc.err) || err == nil && !cmp.Equal(tc.want, got) {
			t.Errorf("%s: %v, %s", name, err, cmp.Diff(tc.want, got))
		}
	}
}

func TestFileIsReadAsItIsWritten(t *testing.T) {
	b := AppendHeader(nil, true, true)
	b = AppendTag(b, TypeAudio, time.Second, []byte("ab"), []byte("c"))
	b = AppendTag(b, TypeVideo, (1<<32+5)*time.Millisecond, bytes.Repeat([]byte{7}, 1000))
	r := NewReader(bytes.NewReader(b), 1000)
	if kind, at, body, err := r.Next(); kind != TypeAudio || at != 1000 || string(body) != "abc" || err != nil {
		t.Error(kind, at, body, err)
	}
	if kind, at, body, err := r.Next(); kind != TypeVideo || at != 5 || len(body) != 1000 || err != nil {
		t.Error(kind, at, len(body), err)
	}
	if _, _, _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	r = NewReader(bytes.NewReader(b), 999)
	_, _, _, _ = r.Next()
	if _, _, _, err := r.Next(); !errors.Is(err, ErrTag) {
		t.Error(err)
	}
	if _, _, _, err := NewReader(bytes.NewReader(make([]byte, 100)), 10).Next(); !errors.Is(err, ErrFile) {
		t.Error(err)
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"\x17\x01\x00\x00\x28\x00\x00\x00\x01\x65", "\x97\x02\x00\x00\x07\x01av01xyz", "\xaf\x01ab", "\x91Opusab", "\x96\x01av01\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (Tag, error){ParseVideo, ParseAudio} {
			tag, err := parse(b)
			if len(tag.Data) > len(b) {
				t.Error("more than there is")
			}
			if err == nil && tag.Kind == Frame && len(tag.Data) == 0 {
				t.Error("an empty frame")
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add(AppendTag(AppendHeader(nil, true, true), TypeAudio, time.Second, []byte("ab")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 1<<16)
		for {
			if _, _, _, err := r.Next(); err != nil {
				return
			}
		}
	})
}
