package config

import "log/slog"

// A key is a setting that the configuration may hold.
type key struct {
	path string // a.b.c
	set  setter
}

// supported are the keys that have an effect, in the order of rollcall.yaml.
var supported = []key{
	{"port", number(func(c *Config) *int { return &c.Port }, 0, maxPort)},
	{"bind_addresses", addresses(func(c *Config) *[]string { return &c.BindAddresses })},
	{"trusted_proxies", prefixes(func(c *Config) *[]string { return &c.TrustedProxies })},
	{"data_dir", text(func(c *Config) *string { return &c.DataDir })},
	{"development", boolean(func(c *Config) *bool { return &c.Development })},

	{"keys", apiKeys},
	{"key_file", text(func(c *Config) *string { return &c.KeyFile })},

	{"dashboard.users", dashboardUsers},

	{"tls.cert_file", text(func(c *Config) *string { return &c.TLS.CertFile })},
	{"tls.key_file", text(func(c *Config) *string { return &c.TLS.KeyFile })},
	{"tls.redirect_port", number(func(c *Config) *int { return &c.TLS.RedirectPort }, -1, maxPort)},
	{"tls.acme.domains", texts(func(c *Config) *[]string { return &c.TLS.ACME.Domains })},
	{"tls.acme.email", text(func(c *Config) *string { return &c.TLS.ACME.Email })},
	{"tls.acme.directory", text(func(c *Config) *string { return &c.TLS.ACME.Directory })},
	{"tls.acme.ca_file", text(func(c *Config) *string { return &c.TLS.ACME.CAFile })},
	{"tls.acme.cache_dir", text(func(c *Config) *string { return &c.TLS.ACME.CacheDir })},

	{"egress.directory", text(func(c *Config) *string { return &c.Egress.Directory })},
	{"egress.chromium", text(func(c *Config) *string { return &c.Egress.Chromium })},
	{"egress.ws_url", text(func(c *Config) *string { return &c.Egress.WSURL })},
	{"egress.storage.prefix", text(func(c *Config) *string { return &c.Egress.Storage.Prefix })},
	{"egress.storage.s3.access_key", text(func(c *Config) *string { return &c.Egress.Storage.S3.AccessKey })},
	{"egress.storage.s3.secret", text(func(c *Config) *string { return &c.Egress.Storage.S3.Secret })},
	{"egress.storage.s3.session_token", text(func(c *Config) *string { return &c.Egress.Storage.S3.SessionToken })},
	{"egress.storage.s3.region", text(func(c *Config) *string { return &c.Egress.Storage.S3.Region })},
	{"egress.storage.s3.endpoint", text(func(c *Config) *string { return &c.Egress.Storage.S3.Endpoint })},
	{"egress.storage.s3.bucket", text(func(c *Config) *string { return &c.Egress.Storage.S3.Bucket })},
	{"egress.storage.s3.force_path_style", boolean(func(c *Config) *bool { return &c.Egress.Storage.S3.ForcePathStyle })},
	{"egress.storage.gcp.credentials_json", text(func(c *Config) *string { return &c.Egress.Storage.GCP.Credentials })},
	{"egress.storage.gcp.bucket", text(func(c *Config) *string { return &c.Egress.Storage.GCP.Bucket })},
	{"egress.storage.gcp.endpoint", text(func(c *Config) *string { return &c.Egress.Storage.GCP.Endpoint })},
	{"egress.storage.azure.account_name", text(func(c *Config) *string { return &c.Egress.Storage.Azure.Account })},
	{"egress.storage.azure.account_key", text(func(c *Config) *string { return &c.Egress.Storage.Azure.Key })},
	{"egress.storage.azure.container_name", text(func(c *Config) *string { return &c.Egress.Storage.Azure.Container })},
	{"egress.storage.azure.endpoint", text(func(c *Config) *string { return &c.Egress.Storage.Azure.Endpoint })},
	{"egress.backup.prefix", text(func(c *Config) *string { return &c.Egress.Backup.Prefix })},
	{"egress.backup.s3.access_key", text(func(c *Config) *string { return &c.Egress.Backup.S3.AccessKey })},
	{"egress.backup.s3.secret", text(func(c *Config) *string { return &c.Egress.Backup.S3.Secret })},
	{"egress.backup.s3.session_token", text(func(c *Config) *string { return &c.Egress.Backup.S3.SessionToken })},
	{"egress.backup.s3.region", text(func(c *Config) *string { return &c.Egress.Backup.S3.Region })},
	{"egress.backup.s3.endpoint", text(func(c *Config) *string { return &c.Egress.Backup.S3.Endpoint })},
	{"egress.backup.s3.bucket", text(func(c *Config) *string { return &c.Egress.Backup.S3.Bucket })},
	{"egress.backup.s3.force_path_style", boolean(func(c *Config) *bool { return &c.Egress.Backup.S3.ForcePathStyle })},
	{"egress.backup.gcp.credentials_json", text(func(c *Config) *string { return &c.Egress.Backup.GCP.Credentials })},
	{"egress.backup.gcp.bucket", text(func(c *Config) *string { return &c.Egress.Backup.GCP.Bucket })},
	{"egress.backup.gcp.endpoint", text(func(c *Config) *string { return &c.Egress.Backup.GCP.Endpoint })},
	{"egress.backup.azure.account_name", text(func(c *Config) *string { return &c.Egress.Backup.Azure.Account })},
	{"egress.backup.azure.account_key", text(func(c *Config) *string { return &c.Egress.Backup.Azure.Key })},
	{"egress.backup.azure.container_name", text(func(c *Config) *string { return &c.Egress.Backup.Azure.Container })},
	{"egress.backup.azure.endpoint", text(func(c *Config) *string { return &c.Egress.Backup.Azure.Endpoint })},
	{"egress.upload_patience", span(func(c *Config) *duration { return &c.Egress.UploadPatience })},
	{"egress.max_jobs", number(func(c *Config) *int { return &c.Egress.MaxJobs }, 0, maxInt)},
	{"egress.max_cpu", number(func(c *Config) *int { return &c.Egress.MaxCPU }, 0, 100)},
	{"egress.page_memory", bytes(func(c *Config) *int64 { return &c.Egress.PageMemory })},
	{"egress.session_limits.max_duration", span(func(c *Config) *duration { return &c.Egress.MaxDuration })},
	{"egress.session_limits.max_size", bytes(func(c *Config) *int64 { return &c.Egress.MaxSize })},
	{"egress.session_limits.file_output_max_duration", span(func(c *Config) *duration { return &c.Egress.FileDuration })},
	{"egress.session_limits.stream_output_max_duration", span(func(c *Config) *duration { return &c.Egress.StreamDuration })},
	{"egress.session_limits.segment_output_max_duration", span(func(c *Config) *duration { return &c.Egress.SegmentDuration })},
	{"egress.session_limits.image_output_max_duration", span(func(c *Config) *duration { return &c.Egress.ImageDuration })},
	{"egress.session_limits.file_output_max_size", bytes(func(c *Config) *int64 { return &c.Egress.FileSize })},

	{"ingress.rtmp_base_url", text(func(c *Config) *string { return &c.Ingress.RTMPBaseURL })},
	{"ingress.whip_base_url", text(func(c *Config) *string { return &c.Ingress.WHIPBaseURL })},
	{"ingress.rtmp.port", number(func(c *Config) *int { return &c.Ingress.RTMP.Port }, -1, maxPort)},
	{"ingress.rtmp.tls_port", number(func(c *Config) *int { return &c.Ingress.RTMP.TLSPort }, -1, maxPort)},
	{"ingress.rtmp.connections_per_address", number(func(c *Config) *int { return &c.Ingress.RTMP.ConnectionsPerAddress }, 1, maxInt)},
	{"ingress.ffmpeg", text(func(c *Config) *string { return &c.Ingress.FFmpeg })},
	{"ingress.lip_sync_delay", number(func(c *Config) *int { return &c.Ingress.LipSyncDelay }, 0, maxPlayoutDelay)},
	{"ingress.allow_networks", prefixes(func(c *Config) *[]string { return &c.Ingress.AllowNetworks })},

	{"rtc.udp_port", udpPort},
	{"rtc.port_range_start", number(func(c *Config) *int { return &c.RTC.PortRangeStart }, 0, maxPort)},
	{"rtc.port_range_end", number(func(c *Config) *int { return &c.RTC.PortRangeEnd }, 0, maxPort)},
	{"rtc.tcp_port", number(func(c *Config) *int { return &c.RTC.TCPPort }, -1, maxPort)},
	{"rtc.node_ip", nodeIP},
	{"rtc.use_external_ip", boolean(func(c *Config) *bool { return &c.RTC.UseExternalIP })},
	{"rtc.advertise_internal_ip", boolean(func(c *Config) *bool { return &c.RTC.AdvertiseInternalIP })},
	{"rtc.interfaces.includes", texts(func(c *Config) *[]string { return &c.RTC.Interfaces.Includes })},
	{"rtc.interfaces.excludes", texts(func(c *Config) *[]string { return &c.RTC.Interfaces.Excludes })},
	{"rtc.ips.includes", prefixes(func(c *Config) *[]string { return &c.RTC.IPs.Includes })},
	{"rtc.ips.excludes", prefixes(func(c *Config) *[]string { return &c.RTC.IPs.Excludes })},
	{"rtc.enable_loopback_candidate", boolean(func(c *Config) *bool { return &c.RTC.LoopbackCandidates })},
	{"rtc.use_ice_lite", boolean(func(c *Config) *bool { return &c.RTC.ICELite })},
	{"rtc.congestion_control.allow_pause", boolean(func(c *Config) *bool { return &c.RTC.AllowPause })},
	{"rtc.stun_servers", texts(func(c *Config) *[]string { return &c.RTC.STUNServers })},
	{"rtc.turn_servers", turnServers},

	{"turn.enabled", boolean(func(c *Config) *bool { return &c.TURN.Enabled })},
	{"turn.udp_port", number(func(c *Config) *int { return &c.TURN.UDPPort }, -1, maxPort)},
	{"turn.tls_port", number(func(c *Config) *int { return &c.TURN.TLSPort }, -1, maxPort)},
	{"turn.domain", text(func(c *Config) *string { return &c.TURN.Domain })},
	{"turn.cert_file", text(func(c *Config) *string { return &c.TURN.CertFile })},
	{"turn.key_file", text(func(c *Config) *string { return &c.TURN.KeyFile })},
	{"turn.external_tls", boolean(func(c *Config) *bool { return &c.TURN.ExternalTLS })},
	{"turn.bind_addresses", addresses(func(c *Config) *[]string { return &c.TURN.BindAddresses })},
	{"turn.relay_range_start", number(func(c *Config) *int { return &c.TURN.RelayRangeStart }, 1, maxPort)},
	{"turn.relay_range_end", number(func(c *Config) *int { return &c.TURN.RelayRangeEnd }, 1, maxPort)},
	{"turn.max_allocations", number(func(c *Config) *int { return &c.TURN.MaxAllocations }, 1, maxInt)},
	{"turn.max_address_allocations", number(func(c *Config) *int { return &c.TURN.MaxAddressAllocations }, 1, maxInt)},
	{"turn.max_bitrate", number(func(c *Config) *int { return &c.TURN.MaxBitrate }, 0, maxInt)},

	{"room.auto_create", boolean(func(c *Config) *bool { return &c.Room.AutoCreate })},
	{"room.max_participants", number(func(c *Config) *int { return &c.Room.MaxParticipants }, 0, maxInt)},
	{"room.empty_timeout", seconds(func(c *Config) *duration { return &c.Room.EmptyTimeout })},
	{"room.departure_timeout", seconds(func(c *Config) *duration { return &c.Room.DepartureTimeout })},
	{"room.enabled_codecs", codecs},
	{"room.enable_remote_unmute", boolean(func(c *Config) *bool { return &c.Room.EnableRemoteUnmute })},
	{"room.duplicate_identity", choice(func(c *Config) *string { return &c.Room.DuplicateIdentity }, Replace, Reject)},
	{"room.sync_streams", boolean(func(c *Config) *bool { return &c.Room.SyncStreams })},
	{"room.playout_delay.enabled", boolean(func(c *Config) *bool { return &c.Room.PlayoutDelay.Enabled })},
	{"room.playout_delay.min", number(func(c *Config) *int { return &c.Room.PlayoutDelay.Min }, 0, maxPlayoutDelay)},
	{"room.playout_delay.max", number(func(c *Config) *int { return &c.Room.PlayoutDelay.Max }, 0, maxPlayoutDelay)},
	{"room.room_configurations", presets},
	{"room.enable_full_room_in_webhooks", boolean(func(c *Config) *bool { return &c.Webhook.FullTrackContext })},

	{"audio.active_red_encoding", boolean(func(c *Config) *bool { return &c.Audio.ActiveREDEncoding })},

	{"webhook.api_key", text(func(c *Config) *string { return &c.Webhook.APIKey })},
	{"webhook.urls", webhookURLs},
	{"webhook.filter_params.include_events", texts(func(c *Config) *[]string { return &c.Webhook.Include })},
	{"webhook.filter_params.exclude_events", texts(func(c *Config) *[]string { return &c.Webhook.Exclude })},
	{"webhook.endpoints", webhookEndpoints},
	{"webhook.allow_networks", prefixes(func(c *Config) *[]string { return &c.Webhook.AllowNetworks })},

	{"log.retention_age", span(func(c *Config) *duration { return &c.Log.RetentionAge })},
	{"log.retention_size", bytes(func(c *Config) *int64 { return &c.Log.RetentionSize })},
	{"log.quota", bytes(func(c *Config) *int64 { return &c.Log.Quota })},

	{"prometheus.port", number(func(c *Config) *int { return &c.Prometheus.Port }, -1, maxPort)},
	{"prometheus.bind_addresses", addresses(func(c *Config) *[]string { return &c.Prometheus.BindAddresses })},
	{"prometheus.username", text(func(c *Config) *string { return &c.Prometheus.Username })},
	{"prometheus.password", text(func(c *Config) *string { return &c.Prometheus.Password })},
	{"prometheus.main_port", boolean(func(c *Config) *bool { return &c.Prometheus.MainPort })},

	{"admin.port", number(func(c *Config) *int { return &c.Admin.Port }, -1, maxPort)},
	{"admin.bind_addresses", addresses(func(c *Config) *[]string { return &c.Admin.BindAddresses })},

	{"tracing.endpoint", tracingEndpoint},

	{"drain.delay", span(func(c *Config) *duration { return &c.Drain.Delay })},
	{"drain.webhooks", span(func(c *Config) *duration { return &c.Drain.Webhooks })},
	{"drain.timeout", span(func(c *Config) *duration { return &c.Drain.Timeout })},

	{"logging.level", level(func(c *Config) *slog.Level { return &c.Logging.Level })},
	{"logging.json", boolean(func(c *Config) *bool { return &c.Logging.JSON })},

	{"limit.max_metadata_size", limit(func(c *Config) *int { return &c.Limit.MaxMetadataSize })},
	{"limit.max_attributes_size", limit(func(c *Config) *int { return &c.Limit.MaxAttributesSize })},
	{"limit.max_room_name_length", limit(func(c *Config) *int { return &c.Limit.MaxRoomNameLength })},
	{"limit.max_participant_identity_length", limit(func(c *Config) *int { return &c.Limit.MaxParticipantIdentityLength })},
	{"limit.max_participant_name_length", limit(func(c *Config) *int { return &c.Limit.MaxParticipantNameLength })},
	{"limit.max_tracks", limit(func(c *Config) *int { return &c.Limit.MaxTracks })},
	{"limit.joins_per_key", limit(func(c *Config) *int { return &c.Limit.JoinsPerKey })},
	{"limit.joins_per_address", limit(func(c *Config) *int { return &c.Limit.JoinsPerAddress })},
	{"limit.connections_per_address", limit(func(c *Config) *int { return &c.Limit.ConnectionsPerAddress })},
	{"limit.requests_per_key", limit(func(c *Config) *int { return &c.Limit.RequestsPerKey })},
	{"limit.signal_messages", limit(func(c *Config) *int { return &c.Limit.SignalMessages })},
	{"limit.signal_bytes", limit(func(c *Config) *int { return &c.Limit.SignalBytes })},
	{"limit.data_messages", limit(func(c *Config) *int { return &c.Limit.DataMessages })},
	{"limit.data_bytes", limit(func(c *Config) *int { return &c.Limit.DataBytes })},
	{"limit.media_bits", limit(func(c *Config) *int { return &c.Limit.MediaBits })},
}

// older are spellings that existing files still have.
var older = []key{
	{"prometheus_port", number(func(c *Config) *int { return &c.Prometheus.Port }, -1, maxPort)},
	{"log_level", level(func(c *Config) *slog.Level { return &c.Logging.Level })},
	{"room.max_metadata_size", limit(func(c *Config) *int { return &c.Limit.MaxMetadataSize })},
	{"room.max_room_name_length", limit(func(c *Config) *int { return &c.Limit.MaxRoomNameLength })},
	{"room.max_participant_identity_length", limit(func(c *Config) *int { return &c.Limit.MaxParticipantIdentityLength })},
}

const (
	maxPort = 1<<16 - 1
	maxInt  = 1<<31 - 1
)
