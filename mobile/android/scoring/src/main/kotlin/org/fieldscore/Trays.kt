package org.fieldscore

import com.sun.jna.Pointer
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.charset.CharacterCodingException
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicInteger
import org.fieldscore.ffi.Application as GeneratedApplication
import org.fieldscore.ffi.Decision as GeneratedDecision
import org.fieldscore.ffi.FfiConverterTypeApplication
import org.fieldscore.ffi.FfiConverterTypeDecision
import org.fieldscore.ffi.Scorer as GeneratedScorer
import org.fieldscore.ffi.Tray as GeneratedTray

/** The trays of one scorer: each serves one thread at a time, and waits here between. */
internal class Trays(private val scorer: GeneratedScorer) {
    private val free = ConcurrentLinkedQueue<Tray>()
    private val made = AtomicInteger()

    @Volatile private var closed = false

    /** The application's decision; null where a tray is no way to it. */
    fun score(application: GeneratedApplication): GeneratedDecision? {
        val tray = free.poll() ?: another() ?: return null
        try {
            return tray.score(application)
        } finally {
            free.add(tray)
            // Whoever closed the scorer in between has not seen this one.
            if (closed) close()
        }
    }

    private fun another(): Tray? =
        if (made.incrementAndGet() <= MOST) {
            Tray(scorer.tray(Tray.SIZE.toUInt()))
        } else {
            made.decrementAndGet()
            null
        }

    fun close() {
        closed = true
        while (true) (free.poll() ?: return).close()
    }

    private companion object {
        /** More threads than that take the longer way. */
        const val MOST = 64
    }
}

/** Memory that both sides know. */
internal class Tray(private val generated: GeneratedTray) {
    private val bytes: ByteBuffer =
        Pointer(generated.address().toLong()).getByteBuffer(0, SIZE.toLong()).order(ByteOrder.BIG_ENDIAN)

    fun score(application: GeneratedApplication): GeneratedDecision? {
        if (FfiConverterTypeApplication.allocationSize(application) > SIZE.toULong()) return null
        bytes.clear()
        try {
            FfiConverterTypeApplication.write(application, bytes)
        } catch (error: CharacterCodingException) {
            // The runtime takes away what it is given; this it never sees.
            bytes.clear()
            bytes.put(ZEROS)
            throw error
        }
        val length = generated.score(bytes.position().toUInt()).toInt()
        if (length == 0) return null
        bytes.clear()
        bytes.limit(length)
        val decision = FfiConverterTypeDecision.read(bytes)
        // The record has the applicant's values.
        bytes.clear()
        bytes.put(ZEROS, 0, length)
        return decision
    }

    fun close() = generated.close()

    companion object {
        const val SIZE = 4096
        val ZEROS = ByteArray(SIZE)
    }
}
