package org.fieldscore.android

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import java.io.File
import java.io.FileNotFoundException
import java.io.FileOutputStream
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.KeyStoreException
import java.security.ProviderException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Files that only this app on this device can read: AES-256 in GCM, under a key that the Android Keystore keeps and never
 * gives out. They lie where no backup takes them: on another device the key would be missing.
 *
 * Records hold applicants' values: this is where to keep them. Reading and writing block: call them off the main thread,
 * from any thread of one process.
 *
 * @param name of the folder, and of the key
 */
public class Vault(context: Context, name: String) {
    private val folder = File(context.noBackupFilesDir, "fieldscore-vault/$name")
    private val alias = "fieldscore.vault.$name"

    /**
     * Encrypts and writes a file, whole or not at all.
     *
     * @throws IOException where it can't be written
     * @throws GeneralSecurityException where the Keystore fails
     */
    @Throws(IOException::class, GeneralSecurityException::class)
    public fun write(file: String, content: ByteArray): Unit = alone {
        val cipher = Cipher.getInstance(TRANSFORMATION)
        // The Keystore draws the IV, and takes none that is given.
        cipher.init(Cipher.ENCRYPT_MODE, key() ?: fresh())
        cipher.updateAAD(file.toByteArray())
        val sealed = byteArrayOf(VERSION, cipher.iv.size.toByte()) + cipher.iv + cipher.doFinal(content)
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("the folder can't be made")
        val target = place(file)
        val fresh = File(folder, target.name + FRESH)
        FileOutputStream(fresh).use {
            it.write(sealed)
            it.fd.sync()
        }
        if (!fresh.renameTo(target)) throw IOException("the file can't be replaced")
    }

    /**
     * What a file holds; null where there is none.
     *
     * @throws IOException where it can't be read
     * @throws GeneralSecurityException where it was altered, or where the key is gone, as after a reset of the lock screen
     *   on some devices: then what is saved is lost, and [clear] lets the vault start afresh
     */
    @Throws(IOException::class, GeneralSecurityException::class)
    public fun read(file: String): ByteArray? = alone {
        val sealed = try {
            place(file).readBytes()
        } catch (error: FileNotFoundException) {
            // So is one called that is there and can't be opened.
            if (place(file).exists()) throw error
            return null
        }
        val start = HEADER + (sealed.getOrNull(1) ?: 0)
        if (sealed.firstOrNull() != VERSION || start < HEADER || start > sealed.size) {
            throw GeneralSecurityException("the file is not one of the vault's")
        }
        val key = key() ?: throw GeneralSecurityException("the vault's key is gone")
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, sealed, HEADER, start - HEADER))
        cipher.updateAAD(file.toByteArray())
        cipher.doFinal(sealed, start, sealed.size - start)
    }

    /**
     * Takes a file away.
     *
     * @throws IOException where it stays
     */
    @Throws(IOException::class)
    public fun delete(file: String): Unit = synchronized(LOCK) { remove(place(file)) }

    /** The names of all files, in order. */
    public fun list(): List<String> =
        synchronized(LOCK) { folder.list().orEmpty().mapNotNull { it.unescaped() }.sorted() }

    /**
     * Takes all files away, and the key: nobody can read them any more, wherever a copy may lie. The next file that is
     * written makes a new key.
     *
     * @throws IOException where a file stays
     * @throws GeneralSecurityException where the Keystore fails
     */
    @Throws(IOException::class, GeneralSecurityException::class)
    public fun clear(): Unit = alone {
        keystore().deleteEntry(alias)
        folder.listFiles().orEmpty().forEach(::remove)
    }

    private fun remove(file: File) {
        if (!file.delete() && file.exists()) throw IOException("the file can't be taken away")
    }

    private fun place(file: String) = File(folder, file.escaped())

    private fun keystore(): KeyStore = KeyStore.getInstance(KEYSTORE).apply { load(null) }

    private fun key(): SecretKey? = keystore().getKey(alias, null) as? SecretKey

    private fun fresh(): SecretKey {
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
        generator.init(
            KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
                .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(KEY_BITS)
                .build(),
        )
        return generator.generateKey()
    }

    private companion object {
        const val KEYSTORE = "AndroidKeyStore"
        const val TRANSFORMATION = "AES/GCM/NoPadding"
        const val KEY_BITS = 256
        const val TAG_BITS = 128
        const val FRESH = ".new"

        /** A file: version, length of the IV, the IV, and what GCM makes of the content and of the file's name. */
        const val VERSION: Byte = 1
        const val HEADER = 2

        /** Of all vaults: two of one name must not make its key twice. */
        val LOCK = Any()

        /** Works alone; a Keystore that fails is said to in one way, whichever it has chosen. */
        inline fun <T> alone(work: () -> T): T =
            try {
                synchronized(LOCK, work)
            } catch (error: ProviderException) {
                throw KeyStoreException(error)
            }

        /** Any name as a file's name: bytes of UTF-8 in hexadecimal digits. */
        fun String.escaped() = toByteArray().joinToString("") { (it.toInt() and 0xff).toString(16).padStart(2, '0') }

        /** The name again; null for a file that the vault has not finished, or not made. */
        fun String.unescaped(): String? {
            val bytes = chunked(2).map { (it.toIntOrNull(16) ?: return null).toByte() }
            return String(bytes.toByteArray()).takeIf { it.escaped() == this }
        }
    }
}
