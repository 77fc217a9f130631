package storage

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Target is a place for objects. Exactly one store is set. It holds secrets: it is
// kept with the job, and shown to nobody.
type Target struct {
	S3    *S3    `json:"s3,omitempty"`
	GCS   *GCS   `json:"gcs,omitempty"`
	Azure *Azure `json:"azure,omitempty"`
	// Prefix stands before the name of each object.
	Prefix string `json:"prefix,omitempty"`
	// Trusted says that the operator wrote it, so that it may be anywhere.
	Trusted bool `json:"trusted,omitempty"`
}

// S3 is a bucket of S3, or of what speaks like it.
type S3 struct {
	AccessKey    string `json:"accessKey"`
	Secret       string `json:"secret"`
	SessionToken string `json:"sessionToken,omitempty"`
	Region       string `json:"region,omitempty"`
	// Endpoint is a host or a URL; empty is Amazon's.
	Endpoint           string            `json:"endpoint,omitempty"`
	Bucket             string            `json:"bucket"`
	ForcePathStyle     bool              `json:"forcePathStyle,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	Tagging            string            `json:"tagging,omitempty"` // as a query: a=1&b=2
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	Proxy              *Proxy            `json:"proxy,omitempty"`
}

// GCS is a bucket of Google Cloud Storage.
type GCS struct {
	// Credentials is the JSON of a service account's key.
	Credentials string `json:"credentials"`
	Bucket      string `json:"bucket"`
	// Endpoint is another server than Google's, as a URL.
	Endpoint string `json:"endpoint,omitempty"`
	Proxy    *Proxy `json:"proxy,omitempty"`
}

// Azure is a container of Azure Blob Storage.
type Azure struct {
	Account   string `json:"account"`
	Key       string `json:"key"` // base64, as Azure shows it
	Container string `json:"container"`
	// Endpoint is another server than Azure's, as a URL.
	Endpoint string `json:"endpoint,omitempty"`
}

// Proxy is an HTTP proxy on the way to a store.
type Proxy struct {
	URL      string `json:"url"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// TargetError says what is wrong with a target, in words for whoever named it.
type TargetError struct {
	Field   string // as LiveKit's API calls it: s3.bucket
	Problem string
}

// Error names the field.
func (e *TargetError) Error() string { return e.Field + ": " + e.Problem }

// bucketName is what the three stores allow of names of buckets, and somewhat more.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]+$`)

// maxBucketName is how many characters names of buckets have at most: those of Google
// with dots (https://cloud.google.com/storage/docs/buckets#naming).
const maxBucketName = 222

func isBucket(name string) bool { return len(name) <= maxBucketName && bucketName.MatchString(name) }

// account is what Azure allows of names of accounts.
var account = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// Validate says as a *TargetError what is wrong.
func (t *Target) Validate() error {
	bad := func(field, problem string) error { return &TargetError{field, problem} }
	switch {
	case t.S3 != nil:
		s := t.S3
		switch {
		case !isBucket(s.Bucket):
			return bad("s3.bucket", "want the name of a bucket")
		case s.AccessKey == "" || s.Secret == "":
			return bad("s3.access_key", "want access_key and secret: the server has no keys of its own for a bucket that a request names")
		}
		if _, err := s.base(); err != nil {
			return bad("s3.endpoint", err.Error())
		}
		if _, err := url.ParseQuery(s.Tagging); err != nil {
			return bad("s3.tagging", "want it as a query: a=1&b=2")
		}
		return s.Proxy.validate("s3.proxy")
	case t.GCS != nil:
		if !isBucket(t.GCS.Bucket) {
			return bad("gcp.bucket", "want the name of a bucket")
		}
		if _, err := parseAccount(t.GCS.Credentials); err != nil {
			return bad("gcp.credentials", err.Error())
		}
		if _, err := baseURL(t.GCS.Endpoint, gcsHost); err != nil {
			return bad("gcp.endpoint", err.Error())
		}
		return t.GCS.Proxy.validate("gcp.proxy")
	case t.Azure != nil:
		switch {
		case !account.MatchString(t.Azure.Account):
			return bad("azure.account_name", "want 3 to 24 small letters and digits")
		case !isBucket(t.Azure.Container):
			return bad("azure.container_name", "want the name of a container")
		}
		if _, err := t.Azure.secret(); err != nil {
			return bad("azure.account_key", err.Error())
		}
		if _, err := t.Azure.base(); err != nil {
			return bad("azure.endpoint", err.Error())
		}
		return nil
	}
	return bad("storage", "want s3, gcp or azure")
}

func (p *Proxy) validate(field string) error {
	if p == nil {
		return nil
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &TargetError{field + ".url", "want http:// or https:// and a host"}
	}
	return nil
}

// Hosts are those that the target names in a form that needs no lookup: one that
// the guard keeps requests from can be refused before anything is recorded.
func (t *Target) Hosts() []string {
	var hosts []string
	add := func(raw string) {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	switch {
	case t.S3 != nil:
		if u, err := t.S3.base(); err == nil {
			hosts = append(hosts, u.Hostname())
		}
		if t.S3.Proxy != nil {
			add(t.S3.Proxy.URL)
		}
	case t.GCS != nil:
		add(t.GCS.Endpoint)
		if a, err := parseAccount(t.GCS.Credentials); err == nil {
			add(a.TokenURI)
		}
		if t.GCS.Proxy != nil {
			add(t.GCS.Proxy.URL)
		}
	case t.Azure != nil:
		add(t.Azure.Endpoint)
	}
	return hosts
}

// Name is the object's of a file: below the prefix, with slashes, and never above
// it.
func (t *Target) Name(file string) string {
	prefix := strings.Trim(t.Prefix, "/")
	file = strings.TrimLeft(file, "/")
	if prefix == "" {
		return file
	}
	return prefix + "/" + file
}

// Location is the address of an object, as LiveKit's egress gives it. Whether who
// asks may read it is for the store to say.
func (t *Target) Location(file string) string {
	name := t.Name(file)
	switch {
	case t.S3 != nil:
		return t.S3.location(name)
	case t.GCS != nil:
		return t.GCS.location(name)
	case t.Azure != nil:
		return t.Azure.location(name)
	}
	return ""
}

// secrets are what no text may hold.
func (t *Target) secrets() []string {
	var all []string
	add := func(p *Proxy) {
		if p != nil {
			all = append(all, p.Password)
		}
	}
	switch {
	case t.S3 != nil:
		all = append(all, t.S3.Secret, t.S3.SessionToken, t.S3.AccessKey)
		add(t.S3.Proxy)
	case t.GCS != nil:
		all = append(all, t.GCS.Credentials)
		if a, err := parseAccount(t.GCS.Credentials); err == nil {
			all = append(all, a.PrivateKey)
		}
		add(t.GCS.Proxy)
	case t.Azure != nil:
		all = append(all, t.Azure.Key)
	}
	return all
}

// String names the place without its keys, for logs.
func (t Target) String() string {
	switch {
	case t.S3 != nil:
		return "s3 bucket " + t.S3.Bucket
	case t.GCS != nil:
		return "gcp bucket " + t.GCS.Bucket
	case t.Azure != nil:
		return "azure container " + t.Azure.Container
	}
	return "no storage"
}

// GoString is String: a target that is printed in whatever way shows no keys.
func (t Target) GoString() string { return t.String() }

// baseURL reads a URL, or a host without its scheme; empty is fallback.
func baseURL(raw, fallback string) (*url.URL, error) {
	if raw == "" {
		raw = fallback
	}
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errNoURL // err would repeat what may hold a password
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errNoURL
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// escape is an object's name in the path of a URL.
func escape(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
