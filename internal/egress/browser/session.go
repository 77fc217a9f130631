package browser

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// captureURL is that of the page that captures, which nobody serves: it is given to
// the browser when that asks for it. Only pages of HTTPS may capture.
const captureURL = "https://capture.rollcall.invalid/"

//go:embed capture.html
var captureHTML []byte

// How long things may take.
const (
	launchPatience = 30 * time.Second
	loadPatience   = 30 * time.Second
	// settleTime is how long a page that can be read may load what is in it.
	settleTime  = 5 * time.Second
	flushTime   = 5 * time.Second
	stagedTitle = "document.title = '" + stageTitle + "'; document.documentElement.style.background = '#000'"
)

// options say what is captured, and how it is encoded; capture.html reads them.
type options struct {
	Width        int     `json:"width"`
	Height       int     `json:"height"`
	Framerate    int     `json:"framerate"`
	Codec        string  `json:"codec"`
	Bitrate      int     `json:"bitrate"`      // kilobits a second
	AudioBitrate int     `json:"audioBitrate"` // likewise
	KeyFrames    float64 `json:"keyFrames"`    // seconds from one to the next
	Audio        bool    `json:"audio"`
	Video        bool    `json:"video"`
	// Origin is when the capturing document began on the clock of pictures, in
	// microseconds.
	Origin float64 `json:"origin"`
}

// happened is something that the page or the browser told.
type happened struct {
	what string // "begin", "end", "fail", "ready", "load" or "flushed"
	text string
}

// session leads a browser. Its methods are for one goroutine; heard is called by the
// one that reads.
type session struct {
	page    string // URL
	proxy   *proxy
	program *program
	cdp     *cdp
	to      *os.File

	tabs  atomic.Pointer[tabs] // nil before both are there
	news  chan happened
	chunk func(payload string) // takes what was captured
}

// tabs are that which is recorded, and that which captures it: their sessions.
type tabs struct {
	target, stage, capture string
}

// open starts the browser, and shows both tabs. The session must be closed, also
// after an error.
func (s *session) open(ctx context.Context, path, profile string, o options) (origin time.Time, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, launchPatience, fmt.Errorf("Chromium was not ready within %v", launchPatience))
	defer cancel()
	p, from, to, err := start(path, flags(profile, s.proxy.address, o.Width, o.Height))
	if err != nil {
		return origin, err
	}
	s.program, s.to = p, to
	s.cdp = newCDP(to, s.heard)
	go func() { // ends with the browser
		defer from.Close()
		s.cdp.read(from)
	}()
	if err := s.setUp(ctx, o); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return origin, s.explain(err)
	}
	return s.aim(ctx, o)
}

// explain adds to an error why the browser is gone, if it is.
func (s *session) explain(err error) error {
	if !errors.Is(err, errGone) {
		return err
	}
	select {
	case <-s.program.gonec:
	case <-time.After(time.Second):
	}
	if why := s.program.why(); why != "" {
		return fmt.Errorf("Chromium ended: %s", why)
	}
	return fmt.Errorf("Chromium ended: %v", s.program.cmd.ProcessState)
}

// setUp opens the two tabs: the stage, which is black, and that which captures.
func (s *session) setUp(ctx context.Context, o options) error {
	if err := s.cdp.call(ctx, "", "Target.setDiscoverTargets", params{"discover": true}, nil); err != nil {
		return err
	}
	if err := s.cdp.call(ctx, "", "Browser.setDownloadBehavior", params{"behavior": "deny"}, nil); err != nil {
		return err
	}
	var t tabs
	var err error
	if t.target, t.stage, err = s.tab(ctx, o); err != nil {
		return err
	}
	if _, t.capture, err = s.tab(ctx, o); err != nil {
		return err
	}
	s.tabs.Store(&t)
	for _, c := range []struct {
		session, method string
		params          params
	}{
		{t.stage, "Runtime.enable", nil},
		{t.stage, "Page.enable", nil},
		{t.stage, "Network.enable", params{"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}},
		{t.stage, "Emulation.setDeviceMetricsOverride", params{"width": o.Width, "height": o.Height, "deviceScaleFactor": 1, "mobile": false}},
		{t.stage, "Runtime.evaluate", params{"expression": stagedTitle}},
		{t.capture, "Fetch.enable", params{"patterns": []params{{"urlPattern": "*"}}}},
		{t.capture, "Runtime.enable", nil},
		{t.capture, "Runtime.addBinding", params{"name": "rollcallSay"}},
		{t.capture, "Performance.enable", nil},
		{t.capture, "Page.enable", nil},
	} {
		if err := s.cdp.call(ctx, c.session, c.method, c.params, nil); err != nil {
			return err
		}
	}
	return nil
}

type params map[string]any

// tab opens a tab of that size.
func (s *session) tab(ctx context.Context, o options) (target, session string, err error) {
	var t struct {
		TargetID string `json:"targetId"`
	}
	if err := s.cdp.call(ctx, "", "Target.createTarget", params{"url": "about:blank", "width": o.Width, "height": o.Height, "newWindow": true}, &t); err != nil {
		return "", "", err
	}
	var a struct {
		SessionID string `json:"sessionId"`
	}
	err = s.cdp.call(ctx, "", "Target.attachToTarget", params{"targetId": t.TargetID, "flatten": true}, &a)
	return t.TargetID, a.SessionID, err
}

// aim has the one tab capture the other.
func (s *session) aim(ctx context.Context, o options) (origin time.Time, err error) {
	if err := s.cdp.call(ctx, s.tabs.Load().capture, "Page.navigate", params{"url": captureURL}, nil); err != nil {
		return origin, err
	}
	if err := s.await(ctx, "ready"); err != nil {
		return origin, err
	}
	var metrics struct {
		Metrics []struct {
			Name  string  `json:"name"`
			Value float64 `json:"value"` // seconds
		} `json:"metrics"`
	}
	if err := s.cdp.call(ctx, s.tabs.Load().capture, "Performance.getMetrics", nil, &metrics); err != nil {
		return origin, err
	}
	for _, m := range metrics.Metrics {
		if m.Name == "NavigationStart" {
			o.Origin = m.Value * 1e6
		}
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return origin, err
	}
	var at float64 // milliseconds
	if err := s.evaluate(ctx, "open("+string(raw)+")", &at); err != nil {
		return origin, fmt.Errorf("capture the tab: %w", err)
	}
	return time.UnixMicro(int64(at * 1000)), nil
}

// evaluate has the capturing tab do something, as if somebody had clicked.
func (s *session) evaluate(ctx context.Context, code string, result any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := s.cdp.call(ctx, s.tabs.Load().capture, "Runtime.evaluate", params{"expression": code, "awaitPromise": true, "userGesture": true, "returnByValue": true}, &r)
	if err != nil {
		return err
	}
	if e := r.Exception; e != nil {
		line, _, _ := strings.Cut(e.Exception.Description, "\n")
		return errors.New(strings.TrimSpace(e.Text + " " + line))
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(r.Result.Value, result)
}

// await waits until something happened, or the session fails.
func (s *session) await(ctx context.Context, what string) error {
	for {
		select {
		case n := <-s.news:
			switch n.what {
			case what:
				return nil
			case "fail":
				return errors.New(n.text)
			}
		case <-s.cdp.donec:
			return s.explain(errGone)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// load has the stage show the page.
func (s *session) load(ctx context.Context) error {
	var nav struct {
		FrameID   string `json:"frameId"`
		ErrorText string `json:"errorText"`
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loadPatience, fmt.Errorf("the page did not answer within %v", loadPatience))
	defer cancel()
	if err := s.cdp.call(ctx, s.tabs.Load().stage, "Page.navigate", params{"url": s.page}, &nav); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return s.explain(err)
	}
	if nav.ErrorText == "" {
		return nil
	}
	if why := s.unreachable(); why != nil {
		return fmt.Errorf("the page cannot be loaded: %w", why)
	}
	return fmt.Errorf("the page cannot be loaded: %s", inWords(nav.ErrorText))
}

// lookEvery is how often it is looked how much memory the browser takes.
const lookEvery = time.Second

// tooLarge says that the browser takes more memory than it may, in bytes; 0 is any. A
// page that is not stopped takes what others need, and the server.
func (s *session) tooLarge(most int64) error {
	if most == 0 {
		return nil
	}
	u, err := spawn.UsageOf(s.program.cmd.Process.Pid)
	if err != nil || u.Memory <= most {
		return nil // it has just ended, which is told otherwise
	}
	return fmt.Errorf("the page was stopped: its browser takes %d MiB of memory, and egress.page_memory is %d MiB", u.Memory>>20, most>>20)
}

// leaveTime is how long a page may take to say goodbye.
const leaveTime = 2 * time.Second

// leave has the page go, so that it can say goodbye: a client of a room leaves it.
func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	if s.cdp.call(ctx, s.tabs.Load().stage, "Page.navigate", params{"url": "about:blank"}, nil) == nil {
		_ = s.await(ctx, "load")
	}
}

// unreachable is why the page's server was not reached, nil if it was.
func (s *session) unreachable() error {
	u, err := url.Parse(s.page)
	if err != nil {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return s.proxy.why(net.JoinHostPort(u.Hostname(), port))
}

// inWords says what an error of the browser's means.
func inWords(text string) string {
	words := map[string]string{
		"net::ERR_NAME_NOT_RESOLVED":        "there is no server of that name",
		"net::ERR_CONNECTION_REFUSED":       "nothing listens there",
		"net::ERR_TUNNEL_CONNECTION_FAILED": "its server cannot be reached",
		"net::ERR_ABORTED":                  "it is no page, but something to download",
		"net::ERR_TOO_MANY_REDIRECTS":       "it leads around in circles",
		"net::ERR_EMPTY_RESPONSE":           "its server answered nothing",
	}
	if w := words[text]; w != "" {
		return w + " (" + text + ")"
	}
	if strings.HasPrefix(text, "net::ERR_CERT_") {
		return "its certificate is not valid (" + text + ")"
	}
	return text
}

// close ends the browser.
func (s *session) close() {
	if s.program != nil {
		s.program.end()
		_ = s.to.Close()
		<-s.cdp.donec
	}
	s.proxy.close()
}

// tell notes what happened. What nobody waits for any more is left out.
func (s *session) tell(what, text string) {
	select {
	case s.news <- happened{what, text}:
	default:
	}
}

// heard takes what the browser says.
func (s *session) heard(from, method string, raw json.RawMessage) {
	t := s.tabs.Load()
	if t == nil {
		return
	}
	switch {
	case method == "Runtime.bindingCalled" && from == t.capture:
		var p struct {
			Payload string `json:"payload"`
		}
		if json.Unmarshal(raw, &p) == nil {
			s.chunk(p.Payload)
		}
	case method == "Fetch.requestPaused" && from == t.capture:
		s.serve(t, raw)
	case method == "Page.loadEventFired" && from == t.capture:
		s.tell("ready", "")
	case strings.HasPrefix(method, "Target.target"):
		s.heardTarget(t, method, raw)
	case from == t.stage:
		s.heardPage(t, method, raw)
	}
}

// serve gives the capturing tab its page.
func (s *session) serve(t *tabs, raw json.RawMessage) {
	var p struct {
		RequestID string `json:"requestId"`
		Request   struct {
			URL string `json:"url"`
		} `json:"request"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return
	}
	if p.Request.URL != captureURL {
		s.cdp.send(t.capture, "Fetch.failRequest", params{"requestId": p.RequestID, "errorReason": "BlockedByClient"})
		return
	}
	s.cdp.send(t.capture, "Fetch.fulfillRequest", params{
		"requestId": p.RequestID, "responseCode": 200, "body": base64.StdEncoding.EncodeToString(captureHTML),
		"responseHeaders": []params{{"name": "Content-Type", "value": "text/html; charset=utf-8"}},
	})
}

// heardTarget takes what is said of tabs: windows that the page opens are closed,
// for nobody sees them.
func (s *session) heardTarget(t *tabs, method string, raw json.RawMessage) {
	var p struct {
		TargetID   string `json:"targetId"`
		TargetInfo struct {
			TargetID string `json:"targetId"`
			Type     string `json:"type"`
			Opener   string `json:"openerId"`
		} `json:"targetInfo"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return
	}
	switch {
	case method == "Target.targetCreated" && p.TargetInfo.Type == "page" && p.TargetInfo.Opener != "":
		s.cdp.send("", "Target.closeTarget", params{"targetId": p.TargetInfo.TargetID})
	case method == "Target.targetCrashed" && p.TargetID == t.target:
		s.tell("fail", "the page crashed: the browser's process that showed it is gone, for want of memory perhaps")
	case method == "Target.targetDestroyed" && p.TargetID == t.target:
		s.tell("end", "the page closed itself")
	}
}

// What a page says on its console.
const (
	startSignal = "START_RECORDING"
	endSignal   = "END_RECORDING"
)

// heardPage takes what is said of the page.
func (s *session) heardPage(t *tabs, method string, raw json.RawMessage) {
	var p struct {
		Args []struct {
			Value any `json:"value"`
		} `json:"args"`
		Type     string `json:"type"`
		FrameID  string `json:"frameId"`
		Response struct {
			Status     int    `json:"status"`
			StatusText string `json:"statusText"`
		} `json:"response"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return
	}
	switch method {
	case "Runtime.consoleAPICalled":
		for _, a := range p.Args {
			switch text, _ := a.Value.(string); strings.TrimSpace(text) {
			case startSignal:
				s.tell("begin", "")
			case endSignal:
				s.tell("end", "")
			}
		}
	case "Network.responseReceived":
		if p.Type == "Document" && p.FrameID == t.target && p.Response.Status >= 400 {
			s.tell("fail", strings.TrimSpace(fmt.Sprintf("the page cannot be loaded: its server answered %d %s", p.Response.Status, p.Response.StatusText)))
		}
	case "Page.domContentEventFired":
		s.tell("readable", "")
	case "Page.loadEventFired":
		s.tell("load", "")
	case "Page.javascriptDialogOpening":
		s.cdp.send(t.stage, "Page.handleJavaScriptDialog", params{"accept": true})
	}
}
