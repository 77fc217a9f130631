package config

// Egress is how rooms are recorded.
type Egress struct {
	// Directory is where files go; empty means egress in the data directory.
	Directory string
	// Chromium is the program that shows web pages; empty: the one in PATH.
	Chromium string
	// WSURL is where pages that lay out a room join; empty: at this server's own
	// address.
	WSURL string
	// Storage is where they are brought to, unless a request names a store; Backup is
	// the one for when a store takes nothing.
	Storage, Backup Storage
	// UploadPatience is how long the end of a recording waits for a store.
	UploadPatience duration
	// MaxJobs is how many recordings may run; 0 is no limit.
	MaxJobs int
	// MaxCPU is the load of the machine, in percent, from which on none is begun; 0 is
	// no limit.
	MaxCPU int
	// PageMemory is how much the browser of a page may take, in bytes; 0 is no limit.
	PageMemory int64
	// MaxDuration and MaxSize (bytes) end a recording; 0 is no limit.
	MaxDuration duration
	MaxSize     int64
	// These end one that has such an output; 0 is no limit.
	FileDuration, StreamDuration, SegmentDuration, ImageDuration duration
	FileSize                                                     int64
}

// Storage is a store of objects: the one of which a bucket or container is named.
type Storage struct {
	Prefix string
	S3     S3
	GCP    GCP
	Azure  Azure
}

// S3 is a bucket of S3, or of what speaks like it.
type S3 struct {
	AccessKey, Secret, SessionToken string
	Region, Endpoint, Bucket        string
	ForcePathStyle                  bool
}

// GCP is a bucket of Google Cloud Storage.
type GCP struct{ Credentials, Bucket, Endpoint string }

// Azure is a container of Azure Blob Storage.
type Azure struct{ Account, Key, Container, Endpoint string }
