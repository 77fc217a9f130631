package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

func TestCallsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fromR, fromW := io.Pipe()
		toR, toW := io.Pipe()
		var told []string
		c := newCDP(toW, func(session, method string, _ json.RawMessage) { told = append(told, session+" "+method) })
		go c.read(fromR)
		go func() { // the browser
			lines := bufio.NewScanner(toR)
			lines.Split(splitZero)
			for lines.Scan() {
				var m struct {
					ID     int    `json:"id"`
					Method string `json:"method"`
				}
				_ = json.Unmarshal(lines.Bytes(), &m)
				switch m.Method {
				case "good":
					_, _ = io.WriteString(fromW, `{"method":"Event","sessionId":"S","params":{}}`+"\x00"+`{"id":1,"result":{"value":7}}`+"\x00")
				case "bad":
					_, _ = io.WriteString(fromW, `{"id":2,"error":{"code":-1,"message":"no such thing"}}`+"\x00")
				case "crash":
					_ = fromW.Close()
				}
			}
		}()
		var got struct {
			Value int `json:"value"`
		}
		if err := c.call(context.Background(), "", "good", nil, &got); err != nil || got.Value != 7 || len(told) != 1 || told[0] != "S Event" {
			t.Errorf("%v %+v %v", err, got, told)
		}
		if err := c.call(context.Background(), "", "bad", nil, nil); err == nil || err.Error() != "bad: no such thing" {
			t.Errorf("refused: %v", err)
		}
		if err := c.call(context.Background(), "", "crash", nil, nil); !errors.Is(err, errGone) {
			t.Errorf("crashed: %v", err)
		}
		if err := c.call(context.Background(), "", "after", nil, nil); !errors.Is(err, errGone) {
			t.Errorf("after it: %v", err)
		}
		<-c.donec
		_ = toW.Close()
	})
}
