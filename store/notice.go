package store

import (
	"database/sql"
	"encoding/json"
)

func rememberNotice(tx *sql.Tx, view int64, later Notice) error {
	var packed []byte
	var n Notice
	err := tx.QueryRow(`SELECT notice FROM view WHERE id = ?`, view).Scan(&packed)
	if err == nil {
		err = unpackJSON(packed, &n)
	}
	if err != nil {
		return err
	}
	if n = n.merge(later); n.Begun == 0 {
		_, err = tx.Exec(`UPDATE view SET notice = NULL WHERE id = ?`, view)
		return err
	}
	if packed, err = json.Marshal(n); err == nil {
		_, err = tx.Exec(`UPDATE view SET notice = ? WHERE id = ?`, packed, view)
	}
	return err
}

// rememberReclaimed passes over what is older: of a session that does not know of
// a later reclaiming beside it.
func rememberReclaimed(tx *sql.Tx, view int64, r Reclaimed) error {
	var packed []byte
	var known Reclaimed
	err := tx.QueryRow(`SELECT reclaimed FROM view WHERE id = ?`, view).Scan(&packed)
	if err == nil {
		err = unpackJSON(packed, &known)
	}
	if err != nil || known.At > r.At {
		return err
	}
	if packed, err = json.Marshal(r); err == nil {
		_, err = tx.Exec(`UPDATE view SET reclaimed = ? WHERE id = ?`, packed, view)
	}
	return err
}
