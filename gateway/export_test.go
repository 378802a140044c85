package gateway

import "context"

// SetCrash says what happens between the steps of an update.
func SetCrash(at func(after string)) { crash = at }

// GivesWay is a sweep's hold.
type GivesWay struct {
	givesWay
	ctx context.Context
}

func NewGivesWay() *GivesWay {
	g := &GivesWay{}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

func (g *GivesWay) Begin() bool { return g.begin() }
func (g *GivesWay) Ended() bool { return g.ctx.Err() != nil }
