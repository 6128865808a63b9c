// What README.md shows of the Android part: compiled here, and found there by ReadmeTest.
package org.fieldscore.sample

import android.content.Context
import org.fieldscore.FieldScorer
import org.fieldscore.FieldscoreException
import org.fieldscore.FieldscoreLog
import org.fieldscore.FieldscoreLog.Level
import org.fieldscore.PublicKey
import org.fieldscore.android.Logcat
import org.fieldscore.android.Vault
import org.fieldscore.android.bundleStore
import org.fieldscore.android.open

fun opened(context: Context, keys: List<PublicKey>) =
    // README
    FieldScorer.open(context.assets, "credit.fsb", keys)
    // README

fun logged() =
    // README
    FieldscoreLog.sendTo(Level.INFO, Logcat)
    // README

fun updated(context: Context, keys: List<PublicKey>, bytes: ByteArray): List<FieldScorer> {
    // README
    val store = bundleStore(context, "credit", keys)     // in noBackupFilesDir
    val scorer = try {
        store.open()
    } catch (_: FieldscoreException.Empty) {
        store.install(context.assets.open("credit.fsb").use { it.readBytes() })
    }
    // When your app has fetched bytes, however it does that, off the main thread:
    val updated = store.install(bytes)
    // README
    return listOf(scorer, updated)
}

fun kept(context: Context, id: String, record: ByteArray): ByteArray? {
    // README
    val vault = Vault(context, "applications")
    vault.write(id, record)
    val kept = vault.read(id)
    // README
    return kept
}
