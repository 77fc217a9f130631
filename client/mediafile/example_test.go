package mediafile_test

import (
	"context"
	"log"
	"os"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
)

var (
	ctx  = context.Background()
	room *client.Room
)

func ExamplePlay() {
	tracks, err := mediafile.Open("talk.webm", mediafile.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range tracks {
		track := client.NewLocalTrack(file.Codec)
		o := client.PublishOptions{Width: file.Width, Height: file.Height}
		if _, err := room.Local().Publish(ctx, o, track); err != nil {
			log.Fatal(err)
		}
		go func() {
			defer file.Close()
			if err := mediafile.Play(ctx, file, track, false); err != nil {
				log.Print(err)
			}
		}()
	}
}

func ExampleRecord() {
	client.On(room, func(e client.TrackSubscribed) {
		go func() {
			w, name, err := mediafile.Create(e.Participant.Identity(), e.Track.Codec().RTPCodecCapability)
			if err != nil {
				log.Print(err)
				return
			}
			defer w.Close()
			if err := mediafile.Record(ctx, e.Track, w); err != nil {
				log.Print(err)
			}
			if st, err := os.Stat(name); err == nil {
				log.Printf("%s has %d bytes", name, st.Size())
			}
		}()
	})
}
