package org.fieldscore

import org.fieldscore.ffi.LogLevel as GeneratedLevel
import org.fieldscore.ffi.LogSink as GeneratedSink
import org.fieldscore.ffi.setLog

/** The runtime's log: what was opened, which kernels serve, what fell back. No line holds an applicant's value. */
public object FieldscoreLog {
    /** How severe a line is, or from where on lines are sent. */
    public enum class Level {
        /** Something failed. */
        ERROR,

        /** Something fell back. */
        WARN,

        /** What was opened, and which kernels serve. */
        INFO,

        /** More of it. */
        DEBUG,

        /** All of it. */
        TRACE,
    }

    /** Where lines go. */
    public fun interface Sink {
        /** Takes one line; it may come from any thread. What it throws is dropped. */
        public fun line(level: Level, text: String)
    }

    /** Sends the log to [sink], from [level] up. The last call counts, for the whole process. */
    @JvmStatic
    public fun sendTo(level: Level, sink: Sink): Unit =
        calling { setLog(level.generated(), Forward(sink)) }

    /** Sends it nowhere, which is how it starts. */
    @JvmStatic
    public fun stop(): Unit = calling { setLog(GeneratedLevel.ERROR, null) }

    private class Forward(private val sink: Sink) : GeneratedSink {
        override fun line(level: GeneratedLevel, text: String) = sink.line(level.public(), text)
    }

    private fun Level.generated() =
        when (this) {
            Level.ERROR -> GeneratedLevel.ERROR
            Level.WARN -> GeneratedLevel.WARN
            Level.INFO -> GeneratedLevel.INFO
            Level.DEBUG -> GeneratedLevel.DEBUG
            Level.TRACE -> GeneratedLevel.TRACE
        }

    private fun GeneratedLevel.public() =
        when (this) {
            GeneratedLevel.ERROR -> Level.ERROR
            GeneratedLevel.WARN -> Level.WARN
            GeneratedLevel.INFO -> Level.INFO
            GeneratedLevel.DEBUG -> Level.DEBUG
            GeneratedLevel.TRACE -> Level.TRACE
        }
}
