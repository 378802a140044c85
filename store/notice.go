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

func rememberReclaimed(tx *sql.Tx, view int64, r Reclaimed) error {
	packed, err := json.Marshal(r)
	if err == nil {
		_, err = tx.Exec(`UPDATE view SET reclaimed = ? WHERE id = ?`, packed, view)
	}
	return err
}
