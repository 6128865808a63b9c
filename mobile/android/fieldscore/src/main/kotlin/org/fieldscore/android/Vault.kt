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
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Files that only this app on this device can read: AES-256 in GCM, under a key that the Android Keystore keeps and never
 * gives out. They lie where no backup takes them: on another device the key would be missing.
 *
 * Records hold applicants' values: this is where to keep them. Reading and writing block: call them off the main thread.
 *
 * @param name of the folder, and of the key
 */
public class Vault(context: Context, private val name: String) {
    private val folder = File(context.noBackupFilesDir, name)

    /**
     * Encrypts and writes a file, whole or not at all.
     *
     * @throws IOException where it can't be written
     * @throws GeneralSecurityException where the Keystore fails
     */
    @Throws(IOException::class, GeneralSecurityException::class)
    @Synchronized
    public fun write(file: String, content: ByteArray) {
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.ENCRYPT_MODE, key())
        cipher.updateAAD(file.toByteArray())
        val sealed = byteArrayOf(cipher.iv.size.toByte()) + cipher.iv + cipher.doFinal(content)
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
     * @throws GeneralSecurityException where it was altered, or where the key is gone, as after a reset of the lock screen
     *   on some devices
     */
    @Throws(IOException::class, GeneralSecurityException::class)
    @Synchronized
    public fun read(file: String): ByteArray? {
        val sealed = try {
            place(file).readBytes()
        } catch (_: FileNotFoundException) {
            return null
        }
        val start = 1 + (sealed.firstOrNull() ?: 0)
        if (start < 1 || start > sealed.size) throw GeneralSecurityException("the file is not one of the vault's")
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.DECRYPT_MODE, key(), GCMParameterSpec(TAG_BITS, sealed, 1, start - 1))
        cipher.updateAAD(file.toByteArray())
        return cipher.doFinal(sealed, start, sealed.size - start)
    }

    /** Takes a file away. */
    @Synchronized
    public fun delete(file: String) {
        place(file).delete()
    }

    /** The names of all files, in order. */
    @Synchronized
    public fun list(): List<String> =
        folder.list().orEmpty().filter { !it.endsWith(FRESH) }.map { it.unescaped() }.sorted()

    private fun place(file: String) = File(folder, file.escaped())

    private fun key(): SecretKey {
        val keys = KeyStore.getInstance(KEYSTORE)
        keys.load(null)
        (keys.getKey(name, null) as? SecretKey)?.let { return it }
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
        generator.init(
            KeyGenParameterSpec.Builder(name, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
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

        /** Any name as a file's name: bytes of UTF-8 in hexadecimal digits. */
        fun String.escaped() = toByteArray().joinToString("") { (it.toInt() and 0xff).toString(16).padStart(2, '0') }

        fun String.unescaped() = String(chunked(2).map { it.toInt(16).toByte() }.toByteArray())
    }
}
