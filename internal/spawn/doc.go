// Package spawn has what all programs have in common that we start: what they see
// of our environment, whose signals reach them, with whom they end, what they
// take, and the last that they said. Imported by egress, egress/ffmpeg, egress/browser and
// ingress/ffmpeg.
package spawn
