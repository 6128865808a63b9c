package org.fieldscore

import java.io.InputStream
import org.fieldscore.ffi.BundleStore as GeneratedStore

/**
 * Keeps one product's bundle up to date in a folder of the app's own: installs only bundles that a pinned key has signed,
 * of that product, with a higher sequence number, in one step that no interruption can halve; keeps the one before.
 *
 * [install] and [open] read files: call them off the main thread.
 *
 * @param folder made where there is none; nothing else is to write there
 * @param product the product's stable name
 * @param keys the public keys that may sign
 * @throws FieldscoreException.Io where the folder can't be made
 */
public class BundleStore(folder: String, product: String, keys: List<PublicKey>) : AutoCloseable {
    private val generated = calling { GeneratedStore(folder, product, keys.map { it.bytes }) }

    @Volatile private var closed = false

    /**
     * Installs an update and opens it. The self-test runs first: a bundle that decides otherwise on this device is not
     * installed. The bundle that is current already is opened again.
     *
     * @throws FieldscoreException.Refused for another product, or a sequence number that is not higher
     * @throws FieldscoreException as [FieldScorer.open]; what was installed stays
     */
    public fun install(bundle: ByteArray): FieldScorer = on { FieldScorer(it.install(bundle)) }

    /**
     * As [install] of bytes, from a stream, which is read to its end; closing it is the caller's.
     *
     * @throws FieldscoreException.Io where it can't be read
     */
    public fun install(bundle: InputStream): FieldScorer = install(bundle.bundle())

    /**
     * Opens the current bundle, or the last one before it that opens.
     *
     * @throws FieldscoreException.Empty where there is none
     */
    public fun open(): FieldScorer = on { FieldScorer(it.open()) }

    /** Frees its memory; scorers that it has opened stay open. */
    override fun close() {
        closed = true
        generated.close()
    }

    private inline fun <T> on(work: (GeneratedStore) -> T): T {
        check(!closed) { "BundleStore: closed" }
        return calling { work(generated) }
    }
}
