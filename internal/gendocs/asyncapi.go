package gendocs

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/rollcall-rtc/rollcall/event"
)

const asyncHead = `# Written by go test ./internal/gendocs -update from package event. Do not edit.
asyncapi: 3.0.0
info:
  title: Rollcall webhooks
  version: 1.0.0
  description: >-
    What a Rollcall server POSTs to its endpoints, one request for each event and
    endpoint, in the order of each room, until the receiver answers 2xx. See
    events.md for the events and openapi.yaml for the API to pull the same events.
  license:
    name: Apache-2.0
    url: https://www.apache.org/licenses/LICENSE-2.0
defaultContentType: application/webhook+json
channels:
  endpoint:
    address: '{url}'
    description: The URL of an endpoint, from the configuration or the API.
    parameters:
      url:
        description: Any http or https URL.
    messages:
`

const asyncOperation = `operations:
  deliver:
    action: send
    channel:
      $ref: '#/channels/endpoint'
    summary: The server delivers an event; 2xx accepts it, 410 ends the endpoint, all else is tried again.
    security:
      - $ref: '#/components/securitySchemes/livekit'
      - $ref: '#/components/securitySchemes/standardWebhooks'
components:
  securitySchemes:
    livekit:
      type: httpApiKey
      in: header
      name: Authorization
      description: A JWT (HS256, without "Bearer") whose claim sha256 is the base64 SHA-256 of the body.
    standardWebhooks:
      type: httpApiKey
      in: header
      name: webhook-signature
      description: HMAC-SHA256 of webhook-id.webhook-timestamp.body, as standardwebhooks.com specifies.
  messageTraits:
    delivery:
      headers:
        type: object
        required: [webhook-id, webhook-timestamp, webhook-signature, rollcall-seq, rollcall-attempt]
        properties:
          webhook-id: {type: string, description: The event's id, the same on every attempt.}
          webhook-timestamp: {type: string, description: Seconds since 1970 of this attempt.}
          webhook-signature: {type: string}
          rollcall-event: {type: string, description: The event's name.}
          rollcall-seq: {type: string, description: The event's place in the log.}
          rollcall-prev-seq: {type: string, description: The place of the event before it in its room that went to this endpoint.}
          rollcall-room-seq: {type: string, description: 'The place in the session of its room, from 1 without gaps.'}
          rollcall-attempt: {type: string, description: From 1.}
          rollcall-gap: {type: string, description: Places of events that were abandoned before this one.}
          rollcall-late: {type: string, description: '"true" on an event that was abandoned before.'}
          rollcall-synthesized: {type: string, description: '"true" on what the server concluded after a crash.'}
          rollcall-occurred-at: {type: string, format: date-time}
          rollcall-sent-at: {type: string, format: date-time}
  messages:
`

// AsyncAPI returns docs/asyncapi.yaml.
func AsyncAPI() []byte {
	var b bytes.Buffer
	b.WriteString(asyncHead)
	for _, d := range event.Catalogue() {
		fmt.Fprintf(&b, "      %s:\n        $ref: '#/components/messages/%s'\n", d.Name, d.Name)
	}
	b.WriteString(asyncOperation)
	for _, d := range event.Catalogue() {
		tag := "stock"
		if !d.Stock {
			tag = "beyond LiveKit"
		}
		fmt.Fprintf(&b, "    %s:\n      name: %s\n      summary: %s\n      tags: [{name: %s}, {name: %s}]\n      traits:\n        - $ref: '#/components/messageTraits/delivery'\n",
			d.Name, d.Name, quoted(d.Doc), tag, d.Scope)
		b.WriteString("      payload:\n        schemaFormat: application/schema+json;version=draft-2020-12\n        schema:\n          $ref: './schema/events.schema.json'\n")
		var body bytes.Buffer
		if err := json.Compact(&body, []byte(example(d.Name))); err != nil {
			panic("BUG: compact an example: " + err.Error())
		}
		fmt.Fprintf(&b, "      examples:\n        - payload: %s\n", body.Bytes()) // JSON is YAML
	}
	return b.Bytes()
}

// quoted is text as a YAML string: JSON's are such.
func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic("BUG: marshal a string: " + err.Error())
	}
	return string(out)
}
