package gateway

// SetCrash says what happens between the steps of an update.
func SetCrash(at func(after string)) { crash = at }
