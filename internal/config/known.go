package config

// known are LiveKit's keys that have no effect yet: they are named in one
// warning, so that an existing file starts this server. A key ending in ".*"
// stands for everything under it. A key followed by "=value" is silent with
// that value, because it asks for what happens anyway.
var known = []string{
	"debug_handler.*", "debug_handler_port.*", "webtransport.*",
	"redis.*", "video.*", "sip.*",
	"node_selector.*", "region", "signal_relay.*", "psrpc.*", "agents.*", "metric.*", "trace.*",
	"node_stats.*", "enable_data_tracks=false", "enable_participant_data_blob=false", "api.*",

	"rtc.external_ip_only=false",
	"rtc.skip_external_ip_validation=false", "rtc.require_ipv4=false", "rtc.use_stun_port_as_ice=false",
	"rtc.use_mdns=false", "rtc.force_tcp=false", "rtc.batch_io.*", "rtc.enable_warp=false",
	"rtc.strict_acks", "rtc.packet_buffer_size", "rtc.packet_buffer_size_video",
	"rtc.packet_buffer_size_audio", "rtc.pli_throttle.*", "rtc.rtx_budget.*",
	"rtc.congestion_control.enabled=true", "rtc.congestion_control.stream_allocator.*",
	"rtc.congestion_control.remote_bwe.*", "rtc.congestion_control.send_side_bwe.*", "rtc.congestion_control.send_side_bwe_pacer",
	"rtc.congestion_control.use_send_side_bwe=true", "rtc.congestion_control.use_send_side_bwe_interceptor",
	"rtc.congestion_control.probe_mode", "rtc.congestion_control.probe_config.*", "rtc.congestion_control.min_channel_capacity",
	"rtc.congestion_control.channel_observer_probe_config.*", "rtc.congestion_control.channel_observer_non_probe_config.*",
	"rtc.flexfec.*", "rtc.allow_tcp_fallback=true", "rtc.tcp_fallback_rtt_threshold=0",
	"rtc.allow_udp_unstable_fallback=false", "rtc.reconnect_on_publication_error",
	"rtc.reconnect_on_subscription_error", "rtc.reconnect_on_data_channel_error",
	"rtc.data_channel_max_buffered_amount=0", "rtc.datachannel_slow_threshold=0",
	"rtc.datachannel_lossy_target_latency", "rtc.datachannel_data_track_target_latency",
	"rtc.forward_stats.*", "rtc.enable_rtp_stream_restart_detection=false",
	"rtc.sctp_min_cwnd", "rtc.sctp_fast_rtx_wnd", "rtc.sctp_cwnd_ca_step",
	"rtc.host_acceptance_min_wait", "rtc.srflx_acceptance_min_wait",
	"rtc.prflx_acceptance_min_wait", "rtc.relay_acceptance_min_wait",

	"audio.active_level", "audio.min_percentile", "audio.update_interval", "audio.smooth_intervals",
	"audio.enable_loss_proxying=false",

	"room.create_room_timeout", "room.create_room_attempts", "room.update_batch_target_size",

	"webhook.url_notifier.*", "webhook.resource_url_notifier.*",

	"logging.pion_level", "logging.sample=false", "logging.component_levels.*", "logging.sample_initial",
	"logging.sample_interval", "logging.item_sample_seconds", "logging.item_sample_initial",
	"logging.item_sample_interval",

	"limit.num_tracks=-1", "limit.bytes_per_sec=-1", "limit.subscription_limit_video=0",
	"limit.subscription_limit_audio=0", "limit.max_data_blob_key_length", "limit.max_data_blobs_size",
	"limit.max_data_track_custom_encoding_length", "limit.subscribe_pace_shadow_rates",
	"limit.signal_message_size_limit", "limit.agent_signal_message_size_limit",
	"limit.max_api_request_body_size",
}
