package org.fieldscore.android

import android.util.Log
import org.fieldscore.FieldscoreLog

/** The runtime's log in logcat: `FieldscoreLog.sendTo(Level.INFO, Logcat)`. No line holds an applicant's value. */
public object Logcat : FieldscoreLog.Sink {
    private const val TAG = "fieldscore"

    override fun line(level: FieldscoreLog.Level, text: String) {
        val priority = when (level) {
            FieldscoreLog.Level.ERROR -> Log.ERROR
            FieldscoreLog.Level.WARN -> Log.WARN
            FieldscoreLog.Level.INFO -> Log.INFO
            FieldscoreLog.Level.DEBUG -> Log.DEBUG
            FieldscoreLog.Level.TRACE -> Log.VERBOSE
        }
        Log.println(priority, TAG, text)
    }
}
