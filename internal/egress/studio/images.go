package studio

import (
	"bufio"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// quality is that of JPEG.
const quality = 85

// images are pictures as JPEG, one every so often. A goroutine of their own makes
// them; one that comes before it is done with the last is left out.
type images struct {
	output
	next    time.Duration // when the next is due; the floor's
	work    chan taken
	running sync.WaitGroup

	// the goroutine's
	count int
	made  []wire.Made
	err   error
}

type taken struct {
	at  time.Duration
	pic *compose.Picture
}

// start begins to take pictures.
func (i *images) start(epoch time.Time) {
	i.epoch, i.work = epoch, make(chan taken, 1)
	i.running.Go(func() {
		for t := range i.work {
			if err := i.write(t); i.err == nil {
				i.err = err // of a disk that is full each fails
			}
		}
	})
}

// picture takes a copy of a picture, if one is due.
func (i *images) picture(at time.Duration, p *compose.Picture) {
	if at < i.next {
		return
	}
	i.next = at - at%i.Length + i.Length
	size := compose.Rect{Width: p.Width, Height: p.Height}
	if i.Width > 0 || i.Height > 0 {
		w, h := i.Width, i.Height
		if w == 0 {
			w = h * p.Width / p.Height
		}
		if h == 0 {
			h = w * p.Height / p.Width
		}
		size.Width, size.Height = max(w&^1, 2), max(h&^1, 2)
	}
	pic := compose.NewPicture(size.Width, size.Height)
	pic.Put(compose.Fit(size, p.Width, p.Height), p)
	select {
	case i.work <- taken{at, pic}:
	default:
	}
}

// write makes one image.
func (i *images) write(t taken) error {
	at := i.epoch.Add(t.at)
	path := i.Path + wire.ImageExt
	if !i.Overwrite {
		name := fmt.Sprintf("%s_%05d", i.Path, i.count)
		if i.Timestamps {
			name = fmt.Sprintf("%s_%s", i.Path, wire.Stamp(at))
		}
		var err error
		if path, err = free(name, wire.ImageExt); err != nil {
			return err
		}
	}
	i.count++
	if !i.Overwrite || i.count == 1 {
		if err := i.note(path, wire.Image, at); err != nil {
			return err
		}
	}
	f, err := os.Create(path + ".next")
	if err != nil {
		return err
	}
	buf := bufio.NewWriter(f)
	err = jpeg.Encode(buf, t.pic.Image(), &jpeg.Options{Quality: quality})
	if err = errors.Join(err, buf.Flush(), f.Sync()); err != nil {
		return errors.Join(err, f.Close())
	}
	stat, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".next", path); err != nil {
		return err
	}
	m := wire.Made{Path: path, Part: wire.Image, Begun: at.UnixNano(), Bytes: stat.Size()}
	if i.Overwrite {
		i.made = i.made[:0]
	}
	i.made = append(i.made, m)
	i.say(wire.Closed, m)
	return nil
}

func (i *images) close() ([]wire.Made, error) {
	if i.work == nil {
		return nil, nil
	}
	close(i.work)
	i.running.Wait()
	return i.made, i.err
}
