package peer

import "testing"

func TestConnectionClosesWhileICEChoosesAPath(t *testing.T) {
	f := newTestFactory(t, nil)
	for range 30 {
		c := newSubClient(t, f, clientOptions{})
		c.sub.Negotiate()
		eventually(t, "path", func() bool { return c.sub.packets.link.Path() != nil })
		c.sub.Close()
	}
}
