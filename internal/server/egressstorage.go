package server

import (
	"errors"
	"net/netip"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// storeOptions puts into o where recordings go, and what is reached on the way.
func (s *Server) storeOptions(o *egress.Options) (err error) {
	c := &s.cfg.Egress
	if o.Storage, err = s.storeTarget("egress.storage", &c.Storage); err != nil {
		return err
	}
	if o.Backup, err = s.storeTarget("egress.backup", &c.Backup); err != nil {
		return err
	}
	o.Patience = c.UploadPatience
	allow := s.receiverNetworks()
	o.Dial = delivery.GuardedDialer(allow).DialContext
	o.CheckAddress = func(addr netip.Addr) error { return delivery.CheckAddress(addr, allow) }
	o.Limits = egress.Limits{Jobs: c.MaxJobs, CPU: float64(c.MaxCPU) / 100, Duration: c.MaxDuration, Size: c.MaxSize, FileSize: c.FileSize,
		Outputs: map[wire.OutputKind]time.Duration{
			wire.File: c.FileDuration, wire.Stream: c.StreamDuration, wire.Socket: c.StreamDuration, wire.Segments: c.SegmentDuration, wire.Images: c.ImageDuration,
		},
	}
	if s.cfg.Development && s.cfg.Where["egress.max_cpu"] == "" {
		o.Limits.CPU = 0 // who develops does other things on the machine
	}
	return nil
}

// storeTarget is the store that the configuration names, nil if it names none.
func (s *Server) storeTarget(key string, c *config.Storage) (*storage.Target, error) {
	t := &storage.Target{Prefix: c.Prefix, Trusted: true}
	switch {
	case c.S3 != config.S3{}:
		t.S3 = &storage.S3{
			AccessKey: c.S3.AccessKey, Secret: c.S3.Secret, SessionToken: c.S3.SessionToken,
			Region: c.S3.Region, Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, ForcePathStyle: c.S3.ForcePathStyle,
		}
	case c.GCP != config.GCP{}:
		t.GCS = &storage.GCS{Credentials: c.GCP.Credentials, Bucket: c.GCP.Bucket, Endpoint: c.GCP.Endpoint}
	case c.Azure != config.Azure{}:
		t.Azure = &storage.Azure{Account: c.Azure.Account, Key: c.Azure.Key, Container: c.Azure.Container, Endpoint: c.Azure.Endpoint}
	default:
		return nil, nil
	}
	if err := t.Validate(); err != nil {
		text := err.Error()
		if e, ok := errors.AsType[*storage.TargetError](err); ok {
			key, text = key+"."+e.Field, e.Problem
		}
		return nil, config.Problems{{Where: s.cfg.Where[key], Key: key, Text: text}}
	}
	return t, nil
}
