package storage

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// amazon is the endpoint without one.
const amazon = "s3.amazonaws.com"

// s3 is a Store. Large objects go by multipart upload, whose id is the state; which
// parts there are is asked of the store.
type s3 struct {
	target *Target
	opts   Options
	core   *minio.Core
}

// base is the endpoint's URL.
func (s *S3) base() (*url.URL, error) {
	u, err := baseURL(s.Endpoint, amazon)
	if err == nil && u.Path != "" {
		return nil, errors.New("want no path in it")
	}
	return u, err
}

// pathStyle says whether the bucket stands in the path: names do not go before an
// address.
func (s *S3) pathStyle(host string) bool {
	return s.ForcePathStyle || isIP(host) || host == "localhost"
}

func (s *S3) location(name string) string {
	u, err := s.base()
	if err != nil {
		return ""
	}
	if s.pathStyle(u.Hostname()) {
		return u.Scheme + "://" + u.Host + "/" + s.Bucket + "/" + escape(name)
	}
	return u.Scheme + "://" + s.Bucket + "." + u.Host + "/" + escape(name)
}

func openS3(t *Target, tr *http.Transport, o Options) (Store, error) {
	u, _ := t.S3.base() // validated
	lookup := minio.BucketLookupDNS
	if t.S3.pathStyle(u.Hostname()) {
		lookup = minio.BucketLookupPath
	}
	region := t.S3.Region
	if region == "" && t.S3.Endpoint != "" {
		region = "us-east-1" // else Amazon is asked where the bucket is
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(t.S3.AccessKey, t.S3.Secret, t.S3.SessionToken),
		Secure: u.Scheme == "https", Transport: tr, Region: region, BucketLookup: lookup,
		MaxRetries: 1, // who calls Upload knows when to try again
	})
	if err != nil {
		return nil, &TargetError{"s3.endpoint", errNoURL.Error()}
	}
	return &s3{target: t, opts: o, core: core}, nil
}

// s3State is the state of an upload in parts.
type s3State struct {
	Upload string `json:"upload"`
	Part   int64  `json:"part"` // size of the parts but the last
	Size   int64  `json:"size"`
}

// Upload implements Store.
func (s *s3) Upload(ctx context.Context, o Object) error {
	err := s.upload(ctx, o)
	if errors.Is(err, ErrRefused) && !o.Anew && s.has(ctx, o) {
		return nil
	}
	return err
}

// has says whether the store has an object already, as a whole or in such parts as
// upload makes. Of one that it encrypts with keys of its own it does not tell.
func (s *s3) has(ctx context.Context, o Object) bool {
	there, err := s.core.StatObject(ctx, s.target.S3.Bucket, o.Name, minio.StatObjectOptions{})
	if err != nil || there.Size != o.Size {
		return false
	}
	part, of, sums := s.opts.partSize(o.Size), 0, []byte(nil)
	for at := int64(0); at < o.Size || of == 0; at, of = at+part, of+1 {
		b, err := o.read(at, min(part, o.Size-at))
		if err != nil {
			return false
		}
		sum := md5.Sum(b)
		sums = append(sums, sum[:]...)
	}
	tag := hex.EncodeToString(sums)
	if of > 1 {
		all := md5.Sum(sums)
		tag = fmt.Sprintf("%x-%d", all, of)
	}
	return strings.Trim(there.ETag, `"`) == tag
}

func (s *s3) upload(ctx context.Context, o Object) error {
	part := s.opts.partSize(o.Size)
	if o.Size <= part {
		return s.fail("send", s.whole(ctx, o))
	}
	var state s3State
	if json.Unmarshal([]byte(o.State), &state) == nil && state.Upload != "" && state.Size == o.Size && state.Part > 0 {
		err := s.parts(ctx, o, state)
		if minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return s.fail("send", err)
		}
		// It was completed, and we did not hear of it, or somebody cleaned up.
	}
	id, err := s.core.NewMultipartUpload(ctx, s.target.S3.Bucket, o.Name, s.put(o))
	if err != nil {
		return s.fail("begin", err)
	}
	state = s3State{Upload: id, Part: part, Size: o.Size}
	raw, err := json.Marshal(state)
	if err != nil {
		return err
	}
	o.Save(string(raw))
	return s.fail("send", s.parts(ctx, o, state))
}

func (s *s3) put(o Object) minio.PutObjectOptions {
	c := s.target.S3
	opts := minio.PutObjectOptions{
		ContentType: o.ContentType, ContentDisposition: c.ContentDisposition, UserMetadata: c.Metadata, DisableContentSha256: true,
	}
	if opts.ContentDisposition == "" {
		opts.ContentDisposition = "inline" // as LiveKit's egress has it
	}
	if tags, err := url.ParseQuery(c.Tagging); err == nil && len(tags) > 0 {
		opts.UserTags = make(map[string]string, len(tags))
		for key := range tags {
			opts.UserTags[key] = tags.Get(key)
		}
	}
	return opts
}

// whole sends a small object at once.
func (s *s3) whole(ctx context.Context, o Object) error {
	p, err := readPiece(o, 0, o.Size)
	if err != nil {
		return err
	}
	_, err = s.core.PutObject(ctx, s.target.S3.Bucket, o.Name, p.body, o.Size, p.md5, p.sha256, s.put(o))
	return err
}

// parts sends the parts that the store lacks, and puts them together.
func (s *s3) parts(ctx context.Context, o Object, state s3State) error {
	bucket := s.target.S3.Bucket
	have := make(map[int]minio.ObjectPart)
	for marker := 0; ; {
		list, err := s.core.ListObjectParts(ctx, bucket, o.Name, state.Upload, marker, 1000)
		if err != nil {
			return err
		}
		for _, p := range list.ObjectParts {
			have[p.PartNumber] = p
		}
		if !list.IsTruncated || list.NextPartNumberMarker <= marker {
			break
		}
		marker = list.NextPartNumberMarker
	}
	var done []minio.CompletePart
	for n, at := 1, int64(0); at < o.Size; n, at = n+1, at+state.Part {
		size := min(state.Part, o.Size-at)
		p, ok := have[n]
		if !ok || p.Size != size {
			b, err := readPiece(o, at, size)
			if err != nil {
				return err
			}
			if p, err = s.core.PutObjectPart(ctx, bucket, o.Name, state.Upload, n, b.body, size, minio.PutObjectPartOptions{Md5Base64: b.md5, Sha256Hex: b.sha256}); err != nil {
				return err
			}
		}
		done = append(done, minio.CompletePart{PartNumber: n, ETag: p.ETag})
	}
	_, err := s.core.CompleteMultipartUpload(ctx, bucket, o.Name, state.Upload, done, minio.PutObjectOptions{})
	return err
}

// s3Piece is a part of an object.
type s3Piece struct {
	body io.Reader
	// sha256 is what it is signed by, in hexadecimal: what arrives is what was read.
	sha256 string
	// md5 is in base64. A bucket that locks its objects takes none without it.
	md5 string
}

func readPiece(o Object, at, size int64) (*s3Piece, error) {
	b, err := o.read(at, size)
	if err != nil {
		return nil, err
	}
	long, short := sha256.Sum256(b), md5.Sum(b)
	return &s3Piece{o.piece(b), hex.EncodeToString(long[:]), base64.StdEncoding.EncodeToString(short[:])}, nil
}

// fail makes of an error of the library one that may be told.
func (s *s3) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	what = "s3: " + what
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.StatusCode != 0 {
		return s.target.scrub(what, statusError(what, answer.StatusCode, answer.Code))
	}
	if strings.Contains(err.Error(), "minio") {
		err = errors.New("the request failed")
	}
	return s.target.scrub(what, err)
}
