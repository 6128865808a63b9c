package org.fieldscore.android

import android.content.ContentResolver
import android.content.Context
import android.content.res.AssetManager
import android.net.Uri
import java.io.File
import java.io.IOException
import java.io.InputStream
import org.fieldscore.BundleStore
import org.fieldscore.FieldScorer
import org.fieldscore.PublicKey

/**
 * Opens a bundle from the app's assets.
 *
 * ```
 * val scorer = FieldScorer.open(context.assets, "credit.fsb", keys)
 * ```
 *
 * @throws IOException where there is no such asset
 * @throws org.fieldscore.FieldscoreException as [FieldScorer.open] of bytes
 */
@Throws(IOException::class)
public fun FieldScorer.Companion.open(assets: AssetManager, name: String, keys: List<PublicKey>): FieldScorer =
    assets.open(name, AssetManager.ACCESS_STREAMING).use { open(it, keys) }

/**
 * Opens a bundle that somebody has picked, such as with `Intent.ACTION_OPEN_DOCUMENT`.
 *
 * @throws IOException where it can't be opened
 * @throws org.fieldscore.FieldscoreException as [FieldScorer.open] of bytes
 */
@Throws(IOException::class)
public fun FieldScorer.Companion.open(resolver: ContentResolver, document: Uri, keys: List<PublicKey>): FieldScorer {
    return resolver.opened(document).use { open(it, keys) }
}

/**
 * Installs a bundle that somebody has picked, such as with `Intent.ACTION_OPEN_DOCUMENT`.
 *
 * @throws IOException where it can't be opened
 * @throws org.fieldscore.FieldscoreException as [BundleStore.install] of bytes
 */
@Throws(IOException::class)
public fun BundleStore.install(resolver: ContentResolver, document: Uri): FieldScorer =
    resolver.opened(document).use { install(it) }

private fun ContentResolver.opened(document: Uri): InputStream =
    try {
        openInputStream(document)
    } catch (error: SecurityException) {
        // Whoever has the document takes leave back as it likes.
        throw IOException("the document may not be opened", error)
    } ?: throw IOException("the document can't be opened")

/**
 * A product's bundle store in the app's own files, out of its backups: a restored app installs the bundle again.
 *
 * @throws org.fieldscore.FieldscoreException.Io where the folder can't be made
 */
public fun bundleStore(context: Context, product: String, keys: List<PublicKey>): BundleStore =
    BundleStore(File(context.noBackupFilesDir, "fieldscore/$product").path, product, keys)
