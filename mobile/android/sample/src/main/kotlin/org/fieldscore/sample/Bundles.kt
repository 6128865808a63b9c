package org.fieldscore.sample

import android.content.Context
import android.net.Uri
import java.util.concurrent.Executors
import org.fieldscore.BundleStore
import org.fieldscore.FieldScorer
import org.fieldscore.FieldscoreException
import org.fieldscore.FieldscoreLog
import org.fieldscore.PublicKey
import org.fieldscore.android.Logcat
import org.fieldscore.android.bundleStore
import org.fieldscore.android.install

/** The bundle in use, for the whole process: opened once, shared by every screen. */
object Bundles {
    private const val PRODUCT = "credit"
    private const val ASSET = "credit.fsb"
    private const val KEY = "key.txt"

    /** Files are read and written here, and the Keystore asked. */
    val background = Executors.newSingleThreadExecutor { Thread(it, "fieldscore") }

    private var scorer: FieldScorer? = null

    /** The current bundle: the store's, or at the first start the one in the assets. */
    @Synchronized
    fun current(context: Context): FieldScorer {
        scorer?.let { return it }
        FieldscoreLog.sendTo(FieldscoreLog.Level.INFO, Logcat)
        val opened = store(context).use { store ->
            try {
                store.open()
            } catch (_: FieldscoreException.Empty) {
                store.install(context.assets.open(ASSET).use { it.readBytes() })
            }
        }
        scorer = opened
        return opened
    }

    /** Installs a bundle that was picked; the store refuses one that isn't signed, or older. */
    @Synchronized
    fun install(context: Context, document: Uri): FieldScorer {
        // Screens that still show the one before keep it; its memory goes with them.
        val installed = store(context).use { it.install(context.contentResolver, document) }
        scorer = installed
        return installed
    }

    private fun store(context: Context): BundleStore {
        // The key comes with the app, whose own signature covers it: whoever sends a bundle can't send a key.
        val key = PublicKey.ofHex(context.assets.open(KEY).use { it.readBytes() }.toString(Charsets.US_ASCII))
        return bundleStore(context.applicationContext, PRODUCT, listOf(key))
    }
}
